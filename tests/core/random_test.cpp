#include "thoughtrank/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "core/philox.h"
#include "support/expect_error.h"

namespace thoughtrank {
namespace {

// The known answers that the authors of Philox publish (Random123, kat_vectors, philox4x32 10).
TEST(Random, MatchesPublishedPhilox) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, AStreamIsItsBlocksInOrder) {
  RandomStream stream(1, "judge", {2, 3});
  const auto key = stream.key();
  for (uint32_t counter = 0; counter < 3; ++counter) {
    for (const uint32_t word : philox({counter, 0, 0, 0}, {key.low, key.high})) {
      EXPECT_EQ(stream.next_u32(), word);
    }
  }
}

TEST(Random, EveryPartOfTheKeyMatters) {
  std::set<uint64_t> firsts;
  for (const uint64_t seed : {1, 2}) {
    for (const char* purpose : {"judge", "judge:1", ""}) {
      firsts.insert(RandomStream(seed, purpose).next_u64());
      firsts.insert(RandomStream(seed, purpose, {0}).next_u64());
      firsts.insert(RandomStream(seed, purpose, {1}).next_u64());
      firsts.insert(RandomStream(seed, purpose, {0, 1}).next_u64());
      firsts.insert(RandomStream(seed, purpose, {1, 0}).next_u64());
    }
  }
  EXPECT_EQ(firsts.size(), 30u);
  EXPECT_EQ(RandomStream(1, "a", {2}).next_u64(), RandomStream(1, "a", {2}).next_u64());
}

// Frozen: a change here changes every run that was ever made.
TEST(Random, KeysStayWhatTheyAre) {
  EXPECT_EQ(stable_hash("thoughtrank"), 0x0223b0ce003a4024u);
  EXPECT_EQ(RandomStream(1, "judge", {2, 3}).key().low,
            static_cast<uint32_t>(stable_hash("1:5:judge:2:3")));
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  RandomStream stream(7, "test");
  constexpr int kDraws = 200000;
  double sum = 0, normal_sum = 0, normal_squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    const double n = stream.normal();
    ASSERT_TRUE(std::isfinite(n));
    sum += u;
    normal_sum += n;
    normal_squares += n * n;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.004);  // 6 standard errors
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 0.014);
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 0.02);
}

TEST(Random, BelowIsInRangeAndEven) {
  RandomStream stream(7, "below");
  std::vector<int> counts(5);
  for (int i = 0; i < 50000; ++i) ++counts[stream.below(5)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 550);  // 6 standard errors
  EXPECT_EQ(stream.below(1), 0u);
  const uint64_t bound = (uint64_t{1} << 63) + 1;  // where a plain modulo is worst
  for (int i = 0; i < 100; ++i) EXPECT_LT(stream.below(bound), bound);
  expect_error([&] { (void)stream.below(0); }, ExitCode::kInternal, "bound");
}

TEST(Random, ShuffleIsAPermutation) {
  std::vector<int> items(62);
  std::iota(items.begin(), items.end(), 0);
  std::vector<int> shuffled = items;
  RandomStream(3, "shuffle").shuffle(shuffled);
  EXPECT_NE(shuffled, items);
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, items);
}

}  // namespace
}  // namespace thoughtrank
