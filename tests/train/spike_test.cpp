#include "train/spike.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/trials.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

constexpr double kSigmas = 6;

MetricsRow step_of(double loss, double grad_norm, bool skipped = false) {
  MetricsRow row;
  row.loss = loss;
  row.grad_norm = grad_norm;
  row.skipped = skipped;
  return row;
}

// A standard normal number: the sum of twelve uniform ones.
double normal(RandomStream& stream) {
  double sum = -6;
  for (int n = 0; n < 12; ++n) sum += static_cast<double>(stream.below(1 << 20)) / (1 << 20);
  return sum;
}

// A healthy training: the loss falls from 3 to 1, steps of one row scatter widely, and norms have
// the long tail of a log-normal distribution.
std::vector<MetricsRow> healthy_run(uint64_t seed, int64_t steps) {
  RandomStream stream(seed, "healthy run");
  std::vector<MetricsRow> run;
  for (int64_t n = 0; n < steps; ++n) {
    const double level = 1 + 2 * std::exp(-static_cast<double>(n) / 100);
    run.push_back(step_of(level * std::exp(0.3 * normal(stream)), std::exp(0.5 * normal(stream))));
  }
  return run;
}

std::vector<MetricsRow> first(const std::vector<MetricsRow>& run, int64_t count) {
  return {run.begin(), run.begin() + count};
}

TEST(Spike, WhatIsNotFiniteIsAFaultFromTheFirstStepOn) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(fault_of(nan, 1, {}, kSigmas), "the loss is not finite");
  EXPECT_EQ(fault_of(1, infinity, {}, 0), "the gradient norm is not finite");
  EXPECT_EQ(fault_of(1e9, 1e9, {}, kSigmas), "");
}

TEST(Spike, TenfoldLossIsSkippedAtOnceAndHealthyRunsLoseAtMostOneInAHundred) {
  int64_t false_skips = 0, steps = 0, caught = 0, spikes = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<MetricsRow> run = healthy_run(seed, 400);
    for (int64_t n = static_cast<int64_t>(kLeastSpikeHistory); n < std::ssize(run); ++n) {
      const MetricsRow& row = run[static_cast<size_t>(n)];
      const auto before = first(run, n);
      ++steps;
      false_skips += !fault_of(row.loss, row.grad_norm, before, kSigmas).empty();
      if (n % 20 != 0) continue;
      for (const double scale : {10.0, 100.0}) {
        ++spikes;
        const double loss = (1 + 2 * std::exp(-static_cast<double>(n) / 100)) * scale;
        caught += fault_of(loss, row.grad_norm, before, kSigmas).starts_with("loss ");
      }
    }
  }
  EXPECT_LE(false_skips, steps / 100);
  EXPECT_EQ(caught, spikes);
  record_trials(steps + spikes);
}

TEST(Spike, StatisticsFoldAcceptedStepsOnly) {
  std::vector<MetricsRow> run = healthy_run(1, 40);
  EXPECT_NE(fault_of(30, 1, run, kSigmas), "");
  for (int n = 0; n < 40; ++n) run.push_back(step_of(30, 1, /*skipped=*/true));
  EXPECT_NE(fault_of(30, 1, run, kSigmas), "");  // skipped ones did not make it usual
  for (int n = 0; n < 40; ++n) run.push_back(step_of(30, 1));
  EXPECT_EQ(fault_of(30, 1, run, kSigmas), "");
}

TEST(Spike, EqualStepsAreNoReasonToFearASmallDifference) {
  const std::vector<MetricsRow> run(50, step_of(1, 1));
  EXPECT_EQ(fault_of(1.5, 1.5, run, kSigmas), "");
  EXPECT_NE(fault_of(1.7, 1, run, kSigmas), "");
  EXPECT_EQ(fault_of(1.7, 1, run, 0), "");
}

}  // namespace
}  // namespace thoughtrank
