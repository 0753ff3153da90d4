#include <gtest/gtest.h>

#include "thoughtrank/core/random.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {
namespace {

TEST(MeanInterval, EqualValuesHaveNoSpread) {
  const MeanWithInterval mean = mean_with_interval({0.5, 0.5, 0.5});
  EXPECT_EQ(mean.mean, 0.5);
  EXPECT_EQ(mean.low, 0.5);
  EXPECT_EQ(mean.high, 0.5);
  EXPECT_EQ(mean.count, 3);
}

TEST(MeanInterval, NothingIsCountedAsNothing) { EXPECT_EQ(mean_with_interval({}).count, 0); }

TEST(MeanInterval, TheSameValuesGiveTheSameInterval) {
  const MeanWithInterval first = mean_with_interval({0, 1, 2, 0, 1});
  const MeanWithInterval again = mean_with_interval({0, 1, 2, 0, 1});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
}

TEST(MeanInterval, TheMeanIsTheOrdinaryOneAndLiesInTheInterval) {
  const MeanWithInterval mean = mean_with_interval({1, 2, 3, 10});
  EXPECT_EQ(mean.mean, 4);
  EXPECT_LT(mean.low, 4);
  EXPECT_GT(mean.high, 4);
  EXPECT_GE(mean.low, 1);
  EXPECT_LE(mean.high, 10);
}

// The resampling looks at places, not at values: what shifts or scales the values does so with all.
TEST(MeanInterval, ShiftsAndScalesWithItsValues) {
  const std::vector<double> values = {0, 1, 4, 9, 16, 25};
  std::vector<double> moved;
  for (const double value : values) moved.push_back(4 * value - 8);
  const MeanWithInterval plain = mean_with_interval(values), other = mean_with_interval(moved);
  EXPECT_NEAR(other.low, 4 * plain.low - 8, 1e-9);
  EXPECT_NEAR(other.high, 4 * plain.high - 8, 1e-9);
}

TEST(MeanInterval, MoreValuesNarrowTheInterval) {
  std::vector<double> few, many;
  for (int n = 0; n < 16; ++n) few.push_back(2 * (n % 2));
  for (int n = 0; n < 1024; ++n) many.push_back(2 * (n % 2));
  const MeanWithInterval wide = mean_with_interval(few), narrow = mean_with_interval(many);
  EXPECT_NEAR((wide.high - wide.low) / (narrow.high - narrow.low), 8, 1.5);  // √(1024 / 16)
}

// By the formula (Wilson, 1927), z = 1.959964.
TEST(MeanInterval, SharesHaveWilsonsWhichHasAWidthWhereAllAreAlike) {
  const auto of = [](int right, int all) {
    std::vector<double> values(static_cast<size_t>(all), 0);
    std::fill_n(values.begin(), right, 1);
    return mean_with_interval(values);
  };
  EXPECT_NEAR(of(0, 60).high, 0.060171, 1e-5);
  EXPECT_EQ(of(0, 60).low, 0);
  EXPECT_NEAR(of(4, 4).low, 0.510109, 1e-5);
  EXPECT_NEAR(of(4, 4).high, 1, 1e-12);
  EXPECT_NEAR(of(29, 60).low, 0.361750, 1e-5);
  EXPECT_NEAR(of(29, 60).high, 0.606922, 1e-5);
}

// Of 400 samples of 40 normal values, the 95 % interval holds the true mean in about 95 %.
TEST(MeanInterval, TheIntervalCoversTheMeanAsOftenAsItSays) {
  constexpr int kSamples = 400;
  RandomStream stream(7, "coverage");
  int covered = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<double> values(40);
    for (double& value : values) value = stream.normal();
    const MeanWithInterval mean = mean_with_interval(values);
    covered += mean.low <= 0 && 0 <= mean.high ? 1 : 0;
  }
  EXPECT_GT(covered, kSamples * 90 / 100);
  EXPECT_LT(covered, kSamples * 98 / 100);
}

}  // namespace
}  // namespace thoughtrank
