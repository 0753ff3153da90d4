#include "train/state_pace.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kSmall = 1'000'000;
constexpr uint64_t kLarge = 1'500'000'000;  // 6 s at the guessed rate

TEST(StatePace, SmallStatesAreWrittenAtEachMultiple) {
  FakeClock clock;
  StatePace pace(clock, /*state_every=*/3, kSmall);
  for (int64_t step = 1; step < 10; ++step) {
    EXPECT_EQ(pace.is_due(step), step % 3 == 0) << step;
    if (pace.is_due(step)) pace.time_writing([&] { clock.sleep_s(StatePace::kCheap_s); });
  }
}

TEST(StatePace, LargeStatesTakeATenthOfTheTimeFromTheFirstOn) {
  FakeClock clock;
  StatePace pace(clock, /*state_every=*/1, kLarge);
  const auto steps_until_due = [&] {
    int64_t steps = 0;
    while (!pace.is_due(++steps)) clock.sleep_s(1);
    return steps - 1;
  };
  EXPECT_EQ(steps_until_due(), 60) << "guessed from the size";
  pace.time_writing([&] { clock.sleep_s(2); });
  EXPECT_EQ(steps_until_due(), 20) << "as the last one was measured";
  pace.time_writing([&] { clock.sleep_s(0.5); });
  EXPECT_EQ(steps_until_due(), 0);
}

TEST(StatePace, LongStepsAreNotPutOffEither) {
  FakeClock clock;
  StatePace pace(clock, /*state_every=*/2, kLarge);
  clock.sleep_s(100);
  EXPECT_FALSE(pace.is_due(1));
  EXPECT_TRUE(pace.is_due(2));
}

}  // namespace
}  // namespace thoughtrank
