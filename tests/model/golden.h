// The tiny models and golden numbers that tests/fixtures/make_golden.py writes, and how near to
// PyTorch's ours have to be.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "thoughtrank/model/llama.h"

namespace thoughtrank {

// Largest absolute difference to transformers on the CPU, by dtype. The logits lie between -5 and
// 5, where bfloat16 has neighbours 1/64 to 1/32 apart.
namespace tolerance {
inline constexpr double kFloat32Logits = 1e-5;
inline constexpr double kFloat32Loss = 1e-5;
inline constexpr double kFloat32Gradient = 2e-6;
inline constexpr double kFloat32Rope = 1e-6;
inline constexpr double kBfloat16Logits = 0.1;
}  // namespace tolerance

inline std::filesystem::path test_data(const std::string& name) {
  return std::filesystem::path(TEST_DATA_DIR) / name;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

class Golden {
 public:
  // "tiny-llama", "tiny-llama3"
  explicit Golden(const std::string& model)
      : folder(test_data(model)),
        reader_(SafetensorsReader::open_file(test_data("golden/" + model + ".safetensors"))) {}

  const std::filesystem::path folder;

  [[nodiscard]] at::Tensor operator[](const std::string& name) const { return reader_.read(name); }
  [[nodiscard]] std::vector<int64_t> list(const std::string& name) const {
    const at::Tensor values = reader_.read(name);
    const auto* data = values.const_data_ptr<int64_t>();
    return {data, data + values.numel()};
  }
  [[nodiscard]] PackedTokens tokens() const { return {(*this)["ids"], list("offsets")}; }
  [[nodiscard]] Llama load(at::ScalarType dtype = at::kFloat) const {
    return load_llama(folder, dtype, at::kCPU);
  }

 private:
  SafetensorsReader reader_;
};

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// Mean cross-entropy over the tokens behind each document's prompt.
inline at::Tensor golden_loss(const Golden& golden, const at::Tensor& logits) {
  const auto offsets = golden.list("offsets");
  const auto prompt_lengths = golden.list("prompt_lengths");
  const at::Tensor ids = golden["ids"];
  std::vector<at::Tensor> rows, targets;
  for (size_t n = 0; n < prompt_lengths.size(); ++n) {
    const int64_t first = offsets[n] + prompt_lengths[n], end = offsets[n + 1];
    rows.push_back(logits.slice(/*dim=*/0, first - 1, end - 1));
    targets.push_back(ids.slice(/*dim=*/0, first, end));
  }
  return at::cross_entropy_loss(at::cat(rows).to(at::kFloat), at::cat(targets));
}

}  // namespace thoughtrank
