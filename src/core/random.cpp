#include "thoughtrank/core/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/philox.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/hash.h"

namespace thoughtrank {

RandomStream::RandomStream(uint64_t seed,
                           std::string_view purpose,
                           std::initializer_list<uint64_t> words) {
  // The length in front keeps ("a", {}) and any other split of the same text apart.
  std::string name = fmt::format("{}:{}:{}", seed, purpose.size(), purpose);
  for (const uint64_t word : words) name += fmt::format(":{}", word);
  const uint64_t key = stable_hash(name);
  key_ = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

void RandomStream::refill() {
  const PhiloxBlock block =
      philox({static_cast<uint32_t>(counter_), static_cast<uint32_t>(counter_ >> 32), 0, 0},
             {key_.low, key_.high});
  std::copy(block.begin(), block.end(), block_);
  ++counter_;
  used_ = 0;
}

uint32_t RandomStream::next_u32() {
  if (used_ == 4) refill();
  return block_[used_++];
}

uint64_t RandomStream::next_u64() {
  const uint64_t low = next_u32();
  return low | (uint64_t{next_u32()} << 32);
}

double RandomStream::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

uint64_t RandomStream::below(uint64_t bound) {
  if (bound == 0) fail(ExitCode::kInternal, "RandomStream::below needs a bound above 0");
  const uint64_t uneven =
      (0 - bound) % bound;  // 2^64 mod bound: that many values would be favoured
  uint64_t value = next_u64();
  while (value < uneven) value = next_u64();
  return value % bound;
}

// Box–Muller; 1 - uniform() lies in (0, 1].
double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

uint64_t stable_hash(std::string_view text) {
  return std::stoull(sha256(text).substr(0, 16), nullptr, 16);
}

}  // namespace thoughtrank
