#include "train/state_pace.h"

namespace thoughtrank {

StatePace::StatePace(const Clock& clock, int64_t state_every, uint64_t state_bytes)
    : clock_(clock),
      state_every_(state_every),
      writing_s_(static_cast<double>(state_bytes) / kBytesPerS),
      last_ended_s_(clock.now_s()) {}

bool StatePace::is_due(int64_t steps_done) const {
  if (steps_done % state_every_ != 0) return false;
  return writing_s_ <= kCheap_s || (clock_.now_s() - last_ended_s_) * kShare >= writing_s_;
}

void StatePace::time_writing(const std::function<void()>& write) {
  const double began_s = clock_.now_s();
  write();
  last_ended_s_ = clock_.now_s();
  writing_s_ = last_ended_s_ - began_s;
}

}  // namespace thoughtrank
