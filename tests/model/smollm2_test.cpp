// SmolLM2-135M-Instruct as scripts/fetch_smollm2.py writes it: last logits of 8 prompts against
// transformers in float32.
#include <ATen/ATen.h>

#include "model/golden.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {
namespace {

constexpr double kLogitTolerance = 1e-4;

at::Tensor ints(const Json& list) { return at::tensor(list.get<std::vector<int64_t>>()); }
at::Tensor numbers(const Json& list) { return at::tensor(list.get<std::vector<double>>()); }

TEST(SmolLM2, LastLogitsEqualTransformers) {
  const std::filesystem::path folder =
      std::filesystem::path(SOURCE_DIR) / "models" / "SmolLM2-135M-Instruct";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << folder << " is not there: scripts/fetch_smollm2.py makes it";
  }
  const Json golden = parse_json(read_bytes(test_data("golden/smollm2.json")), "golden");
  ASSERT_EQ(sha256_file(folder / "model.safetensors"), golden["model_sha256"].get<std::string>())
      << "other weights than the golden numbers: run tests/fixtures/make_golden.py";
  const Llama model = load_llama(folder, at::kFloat, at::kCPU);
  ASSERT_EQ(golden["prompts"].size(), 8u);
  for (const Json& prompt : golden["prompts"]) {
    const at::Tensor ids = ints(prompt["ids"]);
    const at::Tensor logits = forward_logits(model, {ids, {0, ids.size(0)}})[-1];  // (V)
    const auto picked = [&](const Json& positions) {
      return logits.index_select(/*dim=*/0, ints(positions));
    };
    EXPECT_LT(largest_difference(picked(golden["positions"]), numbers(prompt["logits"])),
              kLogitTolerance);
    EXPECT_LT(largest_difference(picked(prompt["top_ids"]), numbers(prompt["top_logits"])),
              kLogitTolerance);
    EXPECT_TRUE(at::equal(std::get<1>(logits.topk(5)), ints(prompt["top_ids"])));
    EXPECT_NEAR(
        logits.logsumexp(0).item<double>(), prompt["logsumexp"].get<double>(), kLogitTolerance);
  }
}

}  // namespace
}  // namespace thoughtrank
