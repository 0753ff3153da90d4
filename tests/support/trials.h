// How many times a fault test tries its luck: as many as fit into CI, and THOUGHTRANK_TRIALS times
// as many in a longer run. What it tells tests/fault/scorecard.py is in the test's report.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace thoughtrank {

inline int trials_of(int in_ci) {
  const char* times = std::getenv("THOUGHTRANK_TRIALS");
  return in_ci * (times == nullptr ? 1 : std::max(1, std::atoi(times)));
}

// Faults that this test has made; a test that does not say counts as one.
template <class Number>
void record_trials(Number count) {
  testing::Test::RecordProperty("trials", static_cast<int>(count));
}

}  // namespace thoughtrank
