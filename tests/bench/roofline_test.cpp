// The roofline against figures of an independent calculation, and what must follow from its
// meaning.
#include "thoughtrank/bench/roofline.h"

#include <gtest/gtest.h>

namespace thoughtrank {
namespace {

LlamaConfig smollm2_135m() {
  LlamaConfig config;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_hidden_layers = 30;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.vocab_size = 49152;
  config.tie_word_embeddings = true;
  return config;
}

constexpr PeakRates kRates = {
    .float32_flops_per_s = 349e9, .bfloat16_flops_per_s = 349e9, .read_bytes_per_s = 31e9};

void expect_roofline(const DecodeWork& work,
                     double prefill_s,
                     double decode_s,
                     double tokens_per_s) {
  const DecodeRoofline roofline = decode_roofline(smollm2_135m(), work, kRates);
  EXPECT_NEAR(roofline.prefill_s, prefill_s, 1e-12 * prefill_s);
  EXPECT_NEAR(roofline.decode_s, decode_s, 1e-12 * decode_s);
  EXPECT_NEAR(roofline.tokens_per_s, tokens_per_s, 1e-12 * tokens_per_s);
}

// 62 branches of 128 tokens, computed apart from this code in Python.
TEST(DecodeRoofline, MatchesAnIndependentCalculation) {
  const auto work = [](int64_t prompt, Dtype dtype) {
    return DecodeWork{.prompt_tokens = prompt, .new_tokens = 128, .branches = 62, .dtype = dtype};
  };
  expect_roofline(
      work(64, Dtype::float32), 0.039344133868194846, 6.977408355025787, 1131.0075440969295);
  expect_roofline(
      work(512, Dtype::float32), 0.3374672100859599, 7.681546668378225, 989.6478694609663);
  expect_roofline(
      work(64, Dtype::bfloat16), 0.039344133868194846, 6.59697187502579, 1195.8441987036451);
  expect_roofline(
      work(512, Dtype::bfloat16), 0.3374672100859599, 7.301110188378223, 1038.9369101104635);
}

// One branch reads every weight once a step: twice the bytes take twice as long, and a faster
// processor does not help.
TEST(DecodeRoofline, OneBranchIsBoundByReading) {
  const DecodeWork narrow = {
      .prompt_tokens = 1, .new_tokens = 8, .branches = 1, .dtype = Dtype::bfloat16};
  DecodeWork wide = narrow;
  wide.dtype = Dtype::float32;
  PeakRates faster = kRates;
  faster.float32_flops_per_s *= 10;
  faster.bfloat16_flops_per_s *= 10;
  const double narrow_s = decode_roofline(smollm2_135m(), narrow, kRates).decode_s;
  EXPECT_DOUBLE_EQ(decode_roofline(smollm2_135m(), wide, kRates).decode_s, 2 * narrow_s);
  EXPECT_DOUBLE_EQ(decode_roofline(smollm2_135m(), narrow, faster).decode_s, narrow_s);
}

// More branches are more work, but the weights are read once for all of them.
TEST(DecodeRoofline, MoreBranchesTakeLongerAndGiveMoreTokensASecond) {
  DecodeRoofline before;
  for (const int64_t branches : {1, 2, 16, 62}) {
    const DecodeRoofline now = decode_roofline(
        smollm2_135m(),
        {.prompt_tokens = 64, .new_tokens = 8, .branches = branches, .dtype = Dtype::bfloat16},
        kRates);
    EXPECT_GT(now.decode_s, before.decode_s) << branches;
    EXPECT_GE(now.prefill_s, before.prefill_s) << branches;
    EXPECT_GT(now.tokens_per_s, before.tokens_per_s) << branches;
    EXPECT_NEAR(now.tokens_per_s * (now.prefill_s + now.decode_s), 8.0 * double(branches), 1e-6);
    before = now;
  }
}

}  // namespace
}  // namespace thoughtrank
