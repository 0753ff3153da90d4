// A clock without time: sleeping moves it on, nothing waits.
#pragma once

#include <string>

#include "thoughtrank/core/clock.h"

namespace thoughtrank {

class FakeClock : public Clock {
 public:
  [[nodiscard]] double now_s() const override { return now; }
  [[nodiscard]] std::string utc_time() const override { return "2026-01-31T12:00:00Z"; }
  void sleep_s(double seconds) override { now += seconds; }
  double now = 1000;
};

}  // namespace thoughtrank
