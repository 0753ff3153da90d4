#include "thoughtrank/model/safetensors.h"

#include <ATen/ATen.h>

#include "model/golden.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/hash.h"

namespace thoughtrank {
namespace {

NamedTensors all_tensors(const SafetensorsReader& reader) {
  NamedTensors tensors;
  for (const auto& [name, info] : reader.tensors()) tensors.emplace_back(name, reader.read(name));
  return tensors;
}

TEST(Safetensors, WritesTheBytesOfTheReferenceWriter) {
  const TemporaryFolder folder;
  const auto original = test_data("tiny-llama/model.safetensors");
  NamedTensors tensors = all_tensors(SafetensorsReader::open_file(original));
  std::reverse(tensors.begin(), tensors.end());
  const ManifestEntry entry = write_safetensors(folder.path() / "copy.safetensors", tensors);
  EXPECT_EQ(entry.path, "copy.safetensors");
  EXPECT_EQ(entry.sha256, sha256_file(original));
  EXPECT_EQ(entry.bytes, std::filesystem::file_size(original));
}

TEST(Safetensors, EveryDtypeAndOddShapeComesBack) {
  const TemporaryFolder folder;
  const NamedTensors tensors = {
      {"u8", at::arange(7, at::kByte)},
      {"i64", at::arange(5, at::kLong) - 2},
      {"i32", at::full({2, 3}, -7, at::kInt)},
      {"f32", at::arange(6, at::kFloat).reshape({2, 3}).t()},  // not contiguous
      {"f16", at::full({3}, 0.5, at::kHalf)},
      {"bf16", at::full({1, 1, 3}, 0.25, at::kBFloat16)},
      {"scalar", at::full({}, 3.0, at::kFloat)},
      {"empty", at::empty({0, 4}, at::kFloat)},
  };
  const auto path = folder.path() / "all.safetensors";
  (void)write_safetensors(path, tensors, {{"step", "3"}});
  const auto reader = SafetensorsReader::open_file(path);
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  EXPECT_EQ(reader.metadata().at("step"), "3");
  EXPECT_EQ(reader.tensors().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor back = reader.read(name);
    EXPECT_EQ(back.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(back, tensor)) << name;
  }
  for (const auto& [name, info] : reader.tensors()) {
    EXPECT_EQ(info.offset % static_cast<uint64_t>(c10::elementSize(info.dtype)), 0u) << name;
  }
}

TEST(Safetensors, AbsentTensorIsNamed) {
  const auto reader = SafetensorsReader::open_model(test_data("tiny-llama"));
  expect_error(
      [&] { (void)reader.read("model.nose.weight"); }, ExitCode::kBadData, "'model.nose.weight'");
}

TEST(Safetensors, UnknownDtypeAndTwiceTheSameNameAreNotWritten) {
  const TemporaryFolder folder;
  const at::Tensor one = at::ones({1});
  expect_error(
      [&] {
        (void)write_safetensors(folder.path() / "a", {{"x", one.to(at::kDouble)}});
      },
      ExitCode::kInternal,
      "Double");
  expect_error(
      [&] {
        (void)write_safetensors(folder.path() / "b", {{"x", one}, {"x", one}});
      },
      ExitCode::kInternal,
      "'x'");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, ReadsShardsOfTransformers) {
  const auto reader = SafetensorsReader::open_model(test_data("tiny-llama3"));
  EXPECT_EQ(reader.tensors().size(), 21u);
  EXPECT_EQ(reader.files().size(), 3u);
  EXPECT_EQ(reader.read("lm_head.weight").scalar_type(), at::kHalf);
}

TEST(Safetensors, WritesShardsThatComeBack) {
  const TemporaryFolder folder;
  const NamedTensors tensors = all_tensors(SafetensorsReader::open_model(test_data("tiny-llama")));
  const auto entries = write_model(folder.path(), tensors, /*shard_bytes=*/100'000);
  ASSERT_GT(entries.size(), 3u);
  EXPECT_EQ(entries.back().path, "model.safetensors.index.json");
  for (const auto& entry : entries) {
    EXPECT_EQ(entry.sha256, sha256_file(folder.path() / entry.path)) << entry.path;
    EXPECT_LT(entry.bytes, 105'000u) << entry.path;
  }
  const auto reader = SafetensorsReader::open_model(folder.path());
  ASSERT_EQ(reader.tensors().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(at::equal(reader.read(name), tensor));
}

TEST(Safetensors, SmallModelIsOneFile) {
  const TemporaryFolder folder;
  const auto entries = write_model(folder.path(), {{"x", at::ones({2})}});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].path, "model.safetensors");
}

TEST(Safetensors, MissingWeightsAreMissingInput) {
  const TemporaryFolder folder;
  expect_error([&] { (void)SafetensorsReader::open_model(folder.path()); },
               ExitCode::kMissingInput,
               "model.safetensors.index.json");
}

TEST(Safetensors, FileCutAfterOpeningIsAnError) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  (void)write_safetensors(path, {{"x", at::ones({1000})}});
  const auto reader = SafetensorsReader::open_file(path);
  std::filesystem::resize_file(path, 300);
  expect_error([&] { (void)reader.read("x"); }, ExitCode::kBadData, "cut short");
}

}  // namespace
}  // namespace thoughtrank
