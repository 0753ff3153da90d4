#include <gtest/gtest.h>

#include "thoughtrank/core/random.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {
namespace {

TEST(Bootstrap, EqualValuesHaveNoSpread) {
  const MeanWithInterval mean = bootstrap_mean({0.5, 0.5, 0.5});
  EXPECT_EQ(mean.mean, 0.5);
  EXPECT_EQ(mean.low, 0.5);
  EXPECT_EQ(mean.high, 0.5);
  EXPECT_EQ(mean.count, 3);
}

TEST(Bootstrap, NothingIsCountedAsNothing) { EXPECT_EQ(bootstrap_mean({}).count, 0); }

TEST(Bootstrap, TheSameValuesGiveTheSameInterval) {
  const MeanWithInterval first = bootstrap_mean({0, 1, 1, 0, 1});
  const MeanWithInterval again = bootstrap_mean({0, 1, 1, 0, 1});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
}

TEST(Bootstrap, TheMeanIsTheOrdinaryOneAndLiesInTheInterval) {
  const MeanWithInterval mean = bootstrap_mean({1, 2, 3, 10});
  EXPECT_EQ(mean.mean, 4);
  EXPECT_LT(mean.low, 4);
  EXPECT_GT(mean.high, 4);
  EXPECT_GE(mean.low, 1);
  EXPECT_LE(mean.high, 10);
}

// The resampling looks at places, not at values: what shifts or scales the values does so with all.
TEST(Bootstrap, ShiftsAndScalesWithItsValues) {
  const std::vector<double> values = {0, 1, 4, 9, 16, 25};
  std::vector<double> moved;
  for (const double value : values) moved.push_back(4 * value - 8);
  const MeanWithInterval plain = bootstrap_mean(values), other = bootstrap_mean(moved);
  EXPECT_NEAR(other.low, 4 * plain.low - 8, 1e-9);
  EXPECT_NEAR(other.high, 4 * plain.high - 8, 1e-9);
}

TEST(Bootstrap, MoreValuesNarrowTheInterval) {
  std::vector<double> few, many;
  for (int n = 0; n < 16; ++n) few.push_back(n % 2);
  for (int n = 0; n < 1024; ++n) many.push_back(n % 2);
  const MeanWithInterval wide = bootstrap_mean(few), narrow = bootstrap_mean(many);
  EXPECT_NEAR((wide.high - wide.low) / (narrow.high - narrow.low), 8, 1.5);  // √(1024 / 16)
}

// Of 400 samples of 40 normal values, the 95 % interval holds the true mean in about 95 %.
TEST(Bootstrap, TheIntervalCoversTheMeanAsOftenAsItSays) {
  constexpr int kSamples = 400;
  RandomStream stream(7, "coverage");
  int covered = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<double> values(40);
    for (double& value : values) value = stream.normal();
    const MeanWithInterval mean = bootstrap_mean(values);
    covered += mean.low <= 0 && 0 <= mean.high ? 1 : 0;
  }
  EXPECT_GT(covered, kSamples * 90 / 100);
  EXPECT_LT(covered, kSamples * 98 / 100);
}

}  // namespace
}  // namespace thoughtrank
