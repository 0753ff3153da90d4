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
