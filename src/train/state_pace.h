// When the next resumable state is written: every so many steps, unless states would take too much
// of the time. A state is all weights and moments, on disk and read back, so that it can take
// longer than the small steps between two of them.
#pragma once

#include <cstdint>
#include <functional>

#include "thoughtrank/core/clock.h"

namespace thoughtrank {

class StatePace {
 public:
  // States take at most this share of the time, but for those that are written within kCheap_s.
  static constexpr double kShare = 0.1;
  static constexpr double kCheap_s = 1;
  // What a disk that is not fast writes, syncs and reads back: the guess before the first state.
  static constexpr double kBytesPerS = 250e6;

  // `clock` outlives the object. Time counts from now.
  StatePace(const Clock& clock, int64_t state_every, uint64_t state_bytes);

  // Is true at multiples of state_every, if the time since the last state (or the beginning) is
  // kShare⁻¹ times what a state takes.
  [[nodiscard]] bool is_due(int64_t steps_done) const;
  // Writes a state with `write` and measures how long that takes.
  void time_writing(const std::function<void()>& write);

 private:
  const Clock& clock_;
  int64_t state_every_;
  double writing_s_;     // as measured at the last state, or guessed
  double last_ended_s_;  // the last state's, or the beginning
};

}  // namespace thoughtrank
