// The decoder on a GPU: against the CPU's engine, recorded against enqueued anew, memory over many
// groups. Skipped where there is no GPU.
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gtest/gtest.h>

#include "decode/device_queue.h"
#include "decode/random_llama.h"
#include "thoughtrank/model/compute.h"

namespace thoughtrank {
namespace {

// Heads of 64, as the CUDA kernels take them.
LlamaConfig cuda_config() {
  LlamaConfig config = small_config();
  config.hidden_size = 192;
  config.intermediate_size = 256;
  config.num_attention_heads = 3;
  config.num_key_value_heads = 1;
  config.head_dim = 64;
  return config;
}

std::vector<BranchGroup> groups_of(int64_t count) {
  std::vector<BranchGroup> groups;
  for (int64_t n = 0; n < count; ++n) {
    std::vector<int64_t> shared;
    for (int64_t i = 0; i < 40 + 37 * (n % 4); ++i)
      shared.push_back((n * 31 + i * 17) % kVocabulary);
    groups.push_back({.group = n, .shared_ids = shared, .branches = {}});
    for (int64_t b = 0; b < 30; ++b) {
      RecordingRule::Decide decide;
      if (b % 2 == 0) {
        decide = [b](const auto& told) -> BranchStep {
          const bool closes = std::ssize(told) == 5;
          return {.kind = closes ? BranchStep::Kind::force : BranchStep::Kind::go_on,
                  .drops_token = closes && b % 4 == 0,
                  .forced = closes ? std::vector<int64_t>{7, 8, b} : std::vector<int64_t>{}};
        };
      }
      groups.back().branches.push_back(start_of(b, {b, 3}, 20 + b * 3, std::move(decide)));
    }
  }
  return groups;
}

class DecoderOnCuda : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!at::hasCUDA() || at::detail::getCUDAHooks().deviceCount() == 0) {
      GTEST_SKIP() << "no CUDA device on this machine";
    }
  }
  static Decoder decoder_on(at::Device device, bool records_steps = true, int64_t slots = 32) {
    Llama llama = random_llama(GetParam(), cuda_config());
    llama.embed_tokens = llama.embed_tokens.to(device);
    llama.lm_head = llama.embed_tokens;
    llama.norm = llama.norm.to(device);
    for (LlamaLayer& layer : llama.layers) {
      for (at::Tensor* weight : {&layer.input_layernorm,
                                 &layer.q_proj,
                                 &layer.k_proj,
                                 &layer.v_proj,
                                 &layer.o_proj,
                                 &layer.post_attention_layernorm,
                                 &layer.gate_proj,
                                 &layer.up_proj,
                                 &layer.down_proj}) {
        *weight = weight->to(device);
      }
    }
    return Decoder(std::move(llama),
                   {.slots = slots, .kv_bytes = int64_t{64} << 20, .records_steps = records_steps});
  }
  static void expect_same_bits(const std::map<BranchKey, FinishedBranch>& a,
                               const std::map<BranchKey, FinishedBranch>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [key, branch] : a) EXPECT_EQ(told(branch), told(b.at(key)));
  }
};

// A near tie may fall to the other side; float32 has none here.
TEST_P(DecoderOnCuda, ChoosesWhatTheCpuChooses) {
  Decoder cpu = decoder_on(at::kCPU), cuda = decoder_on(at::kCUDA);
  const auto expected = run_groups(cpu, groups_of(3)), found = run_groups(cuda, groups_of(3));
  ASSERT_EQ(found.size(), expected.size());
  int64_t equal = 0;
  for (const auto& [key, branch] : expected) {
    equal += found.at(key).token_ids == branch.token_ids ? 1 : 0;
  }
  if (GetParam() == at::kFloat) {
    EXPECT_EQ(equal, 90);
  } else {
    EXPECT_GT(equal, 45);
  }
}

TEST_P(DecoderOnCuda, RecordedStepsGiveTheSameBits) {
  Decoder recorded = decoder_on(at::kCUDA), anew = decoder_on(at::kCUDA, /*records_steps=*/false);
  expect_same_bits(run_groups(recorded, groups_of(3)), run_groups(anew, groups_of(3)));
}

TEST_P(DecoderOnCuda, OrderChangesNoBit) {
  Decoder decoder = decoder_on(at::kCUDA);
  auto groups = groups_of(3);
  std::reverse(groups.begin(), groups.end());
  for (auto& group : groups) std::reverse(group.branches.begin(), group.branches.end());
  expect_same_bits(run_groups(decoder, groups_of(3)), run_groups(decoder, std::move(groups)));
}

TEST_P(DecoderOnCuda, MemoryDoesNotGrowOverGroups) {
  Decoder decoder = decoder_on(at::kCUDA);
  (void)run_groups(decoder, groups_of(4));
  const auto before = free_device_memory(at::kCUDA);
  for (int n = 0; n < 25; ++n) (void)run_groups(decoder, groups_of(4));
  EXPECT_GE(*free_device_memory(at::kCUDA), *before - (int64_t{8} << 20));
}

INSTANTIATE_TEST_SUITE_P(Types,
                         DecoderOnCuda,
                         testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return at::toString(type.param); });

}  // namespace
}  // namespace thoughtrank
