// Tells when a stage has fallen into a loop: its last tokens repeat one cycle of at most 32 tokens
// at least 8 times. Sees one token at a time, 32 comparisons each.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace thoughtrank {

class LoopDetector {
 public:
  static constexpr size_t kLongestPeriod = 32;
  static constexpr size_t kRepeats = 8;

  // True when the tokens so far, `id` included, end in a loop.
  [[nodiscard]] bool add(int64_t id) {
    bool is_loop = false;
    for (size_t period = 1; period <= kLongestPeriod && period <= ids_.size(); ++period) {
      size_t& run = runs_[period];
      run = ids_[ids_.size() - period] == id ? run + 1 : 0;
      is_loop = is_loop || run >= (kRepeats - 1) * period;
    }
    ids_.push_back(id);
    return is_loop;
  }

  // A new stage begins.
  void clear() { *this = LoopDetector(); }

 private:
  std::vector<int64_t> ids_;
  // runs_[p]: how many of the last tokens, without a gap, equal the token p places before them.
  std::array<size_t, kLongestPeriod + 1> runs_{};
};

}  // namespace thoughtrank
