#include "pipeline/memory_tier.h"

#include <gtest/gtest.h>

#include "thoughtrank/train/memory.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kGigabyte = 1'000'000'000;

// Llama-3.2-3B.
LlamaConfig three_billion() {
  LlamaConfig config;
  config.hidden_size = 3072;
  config.intermediate_size = 8192;
  config.num_hidden_layers = 28;
  config.num_attention_heads = 24;
  config.num_key_value_heads = 8;
  config.head_dim = 128;
  config.vocab_size = 128256;
  config.tie_word_embeddings = true;
  return config;
}

ComputeSetup machine_of(const char* device, const char* dtype) {
  ComputeSetup compute;
  compute.device = device;
  compute.train_dtype = dtype;
  return compute;
}

std::string tier_of(const TrainOptions& options,
                    uint64_t gigabytes,
                    const char* dtype = "bfloat16",
                    const char* device = "cpu") {
  return choose_tier(options, three_billion(), machine_of(device, dtype), gigabytes * kGigabyte);
}

TEST(MemoryTier, TheFirstThatFitsIsTaken) {
  const TrainOptions options;
  EXPECT_EQ(tier_of(options, 80), "float32_master");  // 51 GB
  EXPECT_EQ(tier_of(options, 60), "float32");         // 39 GB
  EXPECT_EQ(tier_of(options, 36), "bfloat16");        // 26 GB
  EXPECT_EQ(tier_of(options, 30), "int8");            // 19 GB
  EXPECT_EQ(tier_of(options, 8), "int8");             // nothing fits: the smallest
  EXPECT_EQ(tier_of(options, 80, "float32"), "float32_master");
  EXPECT_EQ(tier_of(options, 0), "float32");  // memory that nobody can tell
}

TEST(MemoryTier, AGpuChoosesAsACpuDoes) {
  const TrainOptions options;
  for (const double gigabytes : {80, 60, 36, 30, 8}) {
    EXPECT_EQ(tier_of(options, gigabytes, "bfloat16", "cuda:0"), tier_of(options, gigabytes));
  }
}

TEST(MemoryTier, WhatIsAskedForIsTaken) {
  TrainOptions options;
  options.optimizer_state = "bfloat16";
  EXPECT_EQ(tier_of(options, 8), "bfloat16");
}

TEST(MemoryTier, GradientsThatAreNotKeptLeaveRoomForMore) {
  TrainOptions options;
  options.optimizer_in_backward = true;
  EXPECT_EQ(tier_of(options, 30), "bfloat16");  // 20 GB
}

// Of a weight, over those of the model; the adapters are small beside them.
double standing_bytes(const char* method, const char* tier, at::ScalarType weights) {
  TrainOptions options;
  options.method = method;
  options.optimizer_state = tier;
  const LlamaConfig model = three_billion();
  const auto memory = training_memory(model, options, {.weights = weights});
  return static_cast<double>(memory.standing()) / static_cast<double>(parameter_count(model));
}

TEST(MemoryTier, BytesOfAWeight) {
  EXPECT_NEAR(standing_bytes("full", "float32_master", at::kBFloat16), 16, 1e-6);
  EXPECT_NEAR(standing_bytes("full", "float32_master", at::kFloat), 16, 1e-6);
  EXPECT_NEAR(standing_bytes("full", "float32", at::kBFloat16), 12, 1e-6);
  EXPECT_NEAR(standing_bytes("full", "int8", at::kBFloat16), 6.03125, 1e-6);
  EXPECT_NEAR(standing_bytes("lora", "float32", at::kBFloat16), 4, 0.2);
  EXPECT_GT(standing_bytes("lora", "float32", at::kBFloat16), 4);
}

}  // namespace
}  // namespace thoughtrank
