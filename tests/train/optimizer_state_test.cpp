// Which optimizer state is chosen in how much memory.
#include <gtest/gtest.h>

#include "thoughtrank/model/sizes.h"
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

OptimizerState state_for(const TrainOptions& options,
                         uint64_t gigabytes,
                         Dtype dtype = Dtype::bfloat16,
                         const char* device = "cpu") {
  return fitting_optimizer_state(three_billion(),
                                 options,
                                 {.weights = scalar_type(dtype), .device = at::Device(device)},
                                 gigabytes * kGigabyte);
}

TEST(OptimizerStates, TheFirstThatFitsIsTaken) {
  const TrainOptions options;
  EXPECT_EQ(state_for(options, 80), OptimizerState::float32_master);  // 51 GB
  EXPECT_EQ(state_for(options, 60), OptimizerState::float32);         // 39 GB
  EXPECT_EQ(state_for(options, 36), OptimizerState::bfloat16);        // 26 GB
  EXPECT_EQ(state_for(options, 30), OptimizerState::int8);            // 19 GB
  EXPECT_EQ(state_for(options, 8), OptimizerState::int8);             // nothing fits: the smallest
  EXPECT_EQ(state_for(options, 80, Dtype::float32), OptimizerState::float32_master);
  EXPECT_EQ(state_for(options, 0), OptimizerState::float32);  // memory that nobody can tell
}

TEST(OptimizerStates, AGpuChoosesAsACpuDoes) {
  const TrainOptions options;
  for (const double gigabytes : {80, 60, 36, 30, 8}) {
    EXPECT_EQ(state_for(options, gigabytes, Dtype::bfloat16, "cuda:0"),
              state_for(options, gigabytes));
  }
}

TEST(OptimizerStates, WhatIsAskedForIsTaken) {
  TrainOptions options;
  options.optimizer_state = OptimizerState::bfloat16;
  EXPECT_EQ(state_for(options, 8), OptimizerState::bfloat16);
}

TEST(OptimizerStates, GradientsThatAreNotKeptLeaveRoomForMore) {
  TrainOptions options;
  options.optimizer_in_backward = true;
  EXPECT_EQ(state_for(options, 30), OptimizerState::bfloat16);  // 20 GB
}

// Of a weight, over those of the model; the adapters are small beside them.
double standing_bytes(TrainMethod method, OptimizerState tier, at::ScalarType weights) {
  TrainOptions options;
  options.method = method;
  options.optimizer_state = tier;
  const LlamaConfig model = three_billion();
  const auto memory = training_memory(model, options, {.weights = weights});
  return static_cast<double>(memory.standing()) / static_cast<double>(parameter_count(model));
}

TEST(OptimizerStates, BytesOfAWeight) {
  EXPECT_NEAR(
      standing_bytes(TrainMethod::full, OptimizerState::float32_master, at::kBFloat16), 16, 1e-6);
  EXPECT_NEAR(
      standing_bytes(TrainMethod::full, OptimizerState::float32_master, at::kFloat), 16, 1e-6);
  EXPECT_NEAR(standing_bytes(TrainMethod::full, OptimizerState::float32, at::kBFloat16), 12, 1e-6);
  EXPECT_NEAR(
      standing_bytes(TrainMethod::full, OptimizerState::int8, at::kBFloat16), 6.03125, 1e-6);
  EXPECT_NEAR(standing_bytes(TrainMethod::lora, OptimizerState::float32, at::kBFloat16), 4, 0.2);
  EXPECT_GT(standing_bytes(TrainMethod::lora, OptimizerState::float32, at::kBFloat16), 4);
}

}  // namespace
}  // namespace thoughtrank
