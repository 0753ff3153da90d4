#include "pipeline/memory_tier.h"

#include <gtest/gtest.h>

namespace thoughtrank {
namespace {

constexpr int64_t kParameters = 3'200'000'000;
constexpr uint64_t kGigabyte = 1'000'000'000;

TEST(MemoryTier, TheFirstThatFitsIsTaken) {
  const TrainOptions options;
  const auto tier = [&](uint64_t gigabytes, const char* dtype = "bfloat16") {
    return choose_tier(options, dtype, kParameters, gigabytes * kGigabyte);
  };
  EXPECT_EQ(tier(80), "float32_master");  // 51 GB
  EXPECT_EQ(tier(60), "float32");         // 38 GB
  EXPECT_EQ(tier(36), "bfloat16");        // 26 GB
  EXPECT_EQ(tier(30), "int8");            // 19 GB
  EXPECT_EQ(tier(8), "int8");             // nothing fits: the smallest
  EXPECT_EQ(tier(80, "float32"), "float32_master");
  EXPECT_EQ(tier(0), "float32");  // memory that nobody can tell
}

TEST(MemoryTier, WhatIsAskedForIsTaken) {
  TrainOptions options;
  options.optimizer_state = "bfloat16";
  EXPECT_EQ(choose_tier(options, "bfloat16", kParameters, 8 * kGigabyte), "bfloat16");
}

TEST(MemoryTier, LoraHoldsTheWeightsTwice) {
  TrainOptions options;
  options.method = "lora";
  EXPECT_EQ(training_bytes(options, "float32", "bfloat16", 1000), 4000u);
  EXPECT_EQ(training_bytes(TrainOptions(), "float32_master", "bfloat16", 1000), 16000u);
  EXPECT_EQ(training_bytes(TrainOptions(), "float32_master", "float32", 1000), 16000u);
  EXPECT_EQ(training_bytes(TrainOptions(), "int8", "bfloat16", 1000), 6031u);
}

}  // namespace
}  // namespace thoughtrank
