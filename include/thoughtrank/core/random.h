// Counter-based random streams: the n-th number of a stream is a pure function of its key and n, so
// nothing depends on what was drawn before, on threads, or on where a run was interrupted. A key is
// a seed and a few words that name the purpose ("judge", round, prompt, call). Philox-4x32-10
// (Salmon et al., SC 2011).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

namespace thoughtrank {

class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view purpose, std::initializer_list<uint64_t> words = {});

  [[nodiscard]] uint32_t next_u32();
  [[nodiscard]] uint64_t next_u64();
  [[nodiscard]] double uniform();                // [0, 1) with 53 bits
  [[nodiscard]] uint64_t below(uint64_t bound);  // unbiased; bound > 0
  [[nodiscard]] double normal();                 // N(0, 1)

  // Fisher–Yates.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t n = items.size(); n > 1; --n) std::swap(items[n - 1], items[below(n)]);
  }

  // The 128-bit block at `counter` of this stream's key, for kernels that index by element.
  struct Key {
    uint32_t low, high;
  };
  [[nodiscard]] Key key() const { return key_; }

 private:
  void refill();
  Key key_;
  uint64_t counter_ = 0;
  uint32_t block_[4] = {};
  int used_ = 4;
};

// A stable 64-bit word from text (first bytes of SHA-256), to put ids into keys.
[[nodiscard]] uint64_t stable_hash(std::string_view text);

}  // namespace thoughtrank
