// The AdamW update of one element, shared by the CPU and CUDA sources
// (nvcc compiles constexpr functions for the device with --expt-relaxed-constexpr).
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "thoughtrank/kernels/rounding.h"

namespace thoughtrank::adamw {

// An AdamWUpdate in float32, with what is the same for all elements worked out.
struct Factors {
  float decay;            // 1 − learning_rate · weight_decay
  float step_size;        // learning_rate / (1 − beta1^update)
  float root_correction;  // 1 / sqrt(1 − beta2^update)
  float beta1, beta2, eps, gradient_scale;
  uint32_t key_low, key_high;
};

struct Element {
  float weight, first_moment, second_moment;
};

constexpr Element update_element(Element e, float gradient, const Factors& f) {
  gradient *= f.gradient_scale;
  e.first_moment = f.beta1 * e.first_moment + (1 - f.beta1) * gradient;
  e.second_moment = f.beta2 * e.second_moment + (1 - f.beta2) * gradient * gradient;
  const float scale = std::sqrt(e.second_moment) * f.root_correction + f.eps;
  e.weight = f.decay * e.weight - f.step_size * e.first_moment / scale;
  return e;
}

// Which of the three stored values a random block is for: part of its counter.
enum Stream : uint32_t { kWeightStream, kFirstMomentStream, kSecondMomentStream };

// Elements that share one random block: 8 × 16 bits.
inline constexpr int kElementsPerBlock = 8;

// Elements that share a scale where moments have 8 bits.
inline constexpr int kElementsPerScale = 256;

// Philox-4x32-10 at counter (block, stream): element 8·block + j takes the j-th 16 bits, low first.
constexpr std::array<uint32_t, 4> random_block(uint64_t block, Stream stream, const Factors& f) {
  uint32_t a = static_cast<uint32_t>(block), b = static_cast<uint32_t>(block >> 32);
  uint32_t c = stream, d = 0;
  uint32_t key_low = f.key_low, key_high = f.key_high;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p = uint64_t{0xD2511F53} * a;
    const uint64_t q = uint64_t{0xCD9E8D57} * c;
    a = static_cast<uint32_t>(q >> 32) ^ b ^ key_low;
    b = static_cast<uint32_t>(q);
    c = static_cast<uint32_t>(p >> 32) ^ d ^ key_high;
    d = static_cast<uint32_t>(p);
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return {a, b, c, d};
}

// To nearest, ties to even; values that are not finite stay so.
constexpr uint16_t round_to_nearest(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const bool is_finite = (bits & 0x7F800000u) != 0x7F800000u;
  return static_cast<uint16_t>((bits + (is_finite ? 0x7FFFu + ((bits >> 16) & 1u) : 0u)) >> 16);
}

constexpr float widen(uint16_t bfloat16_bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat16_bits) << 16);
}
constexpr float widen(float value) { return value; }

}  // namespace thoughtrank::adamw
