// Stochastic rounding to bfloat16, of the optimizer's values and of means of weights; for CPU and
// CUDA sources (nvcc compiles constexpr functions for the device with --expt-relaxed-constexpr).
#pragma once

#include <bit>
#include <cstdint>

namespace thoughtrank {

// Returns the 16 bits of bfloat16: adding 16 random bits below the cut rounds up with the
// probability of the cut-off part. Values that are not finite stay so.
constexpr uint16_t round_stochastically(float value, uint16_t random) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const bool is_finite = (bits & 0x7F800000u) != 0x7F800000u;
  return static_cast<uint16_t>((bits + (is_finite ? random : 0u)) >> 16);
}

}  // namespace thoughtrank
