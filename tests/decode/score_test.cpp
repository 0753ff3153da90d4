#include "decode/score.h"

#include <gtest/gtest.h>

#include "decode/packed_llama.h"
#include "decode/random_llama.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

// A pass of 40 rows: long continuations are cut, short ones packed together.
TEST(Score, EqualsPlainForward) {
  const std::vector<int64_t> shared{3, 1, 4, 1, 5, 9, 2, 6};
  PackedLlama model(random_llama(), /*most_rows=*/40, /*threads=*/2);
  const auto all = continuations();
  const auto scores = score_continuations(model, shared, all);
  ASSERT_EQ(scores.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(scores[i].tokens, std::ssize(all[i]));
    EXPECT_NEAR(scores[i].log_probability, plain_score(random_llama(), shared, all[i]), 1e-3) << i;
  }
  EXPECT_EQ(scores[0].log_probability, 0);
  EXPECT_EQ(model.kv_pool().pages_in_use(), 0);
}

TEST(Score, PackingChangesNoBit) {
  const std::vector<int64_t> shared{3, 1, 4};
  PackedLlama narrow(random_llama(), /*most_rows=*/7, /*threads=*/2),
      wide(random_llama(), /*most_rows=*/300, /*threads=*/2);
  const auto all = continuations();
  const auto a = score_continuations(narrow, shared, all);
  const auto b = score_continuations(wide, shared, all);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(a[i].log_probability, b[i].log_probability);
    const auto alone = score_continuations(wide, shared, {all[i]});
    EXPECT_EQ(alone[0].log_probability, b[i].log_probability);
  }
}

// Passes of 7 rows hold rows that are only read, rows that are scored, and both.
TEST(Score, WhatIsGivenIsReadAndNotScored) {
  const std::vector<int64_t> shared{3, 1, 4};
  PackedLlama narrow(random_llama(), /*most_rows=*/7, /*threads=*/2),
      wide(random_llama(), /*most_rows=*/300, /*threads=*/2);
  const auto all = continuations();
  std::vector<int64_t> given;
  for (size_t i = 0; i < all.size(); ++i) given.push_back(std::ssize(all[i]) * 3 / 4);
  const auto scores = score_continuations(wide, shared, all, given);
  const auto packed = score_continuations(narrow, shared, all, given);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto cut = all[i].begin() + given[i];
    std::vector<int64_t> before = shared;
    before.insert(before.end(), all[i].begin(), cut);
    const std::vector<int64_t> rest(cut, all[i].end());
    EXPECT_EQ(scores[i].tokens, std::ssize(rest));
    EXPECT_NEAR(scores[i].log_probability, plain_score(random_llama(), before, rest), 1e-3) << i;
    EXPECT_EQ(packed[i].log_probability, scores[i].log_probability) << i;
  }
  const std::vector<int64_t> nothing(all.size(), 0);
  const auto whole = score_continuations(wide, shared, all);
  const auto same = score_continuations(wide, shared, all, nothing);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(same[i].log_probability, whole[i].log_probability);
  }
  EXPECT_EQ(narrow.kv_pool().pages_in_use(), 0);
}

TEST(Score, Bfloat16IsNearFloat32) {
  const std::vector<int64_t> shared{3, 1, 4};
  Decoder exact(random_llama(), {.slots = 16});
  Decoder rounded(random_llama(at::kBFloat16), {.slots = 16});
  const auto a = exact.score(shared, continuations());
  const auto b = rounded.score(shared, continuations());
  for (size_t i = 1; i < a.size(); ++i) {
    const auto tokens = static_cast<double>(a[i].tokens);
    EXPECT_NEAR(a[i].log_probability / tokens, b[i].log_probability / tokens, 0.1);
  }
}

TEST(Score, RefusesWhatTheModelCannotTake) {
  Decoder decoder(random_llama(), {.slots = 16});
  EXPECT_THROW((void)decoder.score({}, {{1}}), Error);
  EXPECT_THROW((void)decoder.score({1}, {{kVocabulary}}), Error);
  EXPECT_THROW((void)decoder.score({1}, {std::vector<int64_t>(512, 1)}), Error);
  EXPECT_THROW((void)decoder.score({1}, {{1, 2}}, {3}), Error);
  EXPECT_THROW((void)decoder.score({1}, {{1, 2}}, {1, 1}), Error);
}

}  // namespace
}  // namespace thoughtrank
