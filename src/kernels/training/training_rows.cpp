#include "kernels/training/training_rows.h"

#include <bit>
#include <cmath>
#include <limits>

#define THOUGHTRANK_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

namespace thoughtrank::training_rows {
namespace {

// exp(x) to 2 ulp for x in [−87, 88], clamped beyond; NaN stays NaN. 2^n · p(r) with |r| <= ln 2
// / 2.
[[gnu::always_inline]] inline float exponential(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 · 2^23: adding it leaves a whole number
  const float low = x < -87.0F ? -87.0F : x;
  const float in = low > 88.0F ? 88.0F : low;
  const float n = (in * 1.44269504F + kRound) - kRound;
  const float r = (in - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float value = p * r * r + r + 1.0F;
  const auto power = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return value * std::bit_cast<float>(power);
}

[[gnu::always_inline]] inline float sigmoid(float x) { return 1.0F / (1.0F + exponential(-x)); }

}  // namespace

THOUGHTRANK_CLONES float sum_of_squares(const float* x, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

THOUGHTRANK_CLONES void scale(
    const float* x, float factor, const float* weight, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor * weight[i];
}

THOUGHTRANK_CLONES void add_norm_gradients(const NormRow& row) {
  const NormRow r = row;
  float dot = 0;  // Σ d_y · weight · x
#pragma omp simd reduction(+ : dot)
  for (int64_t i = 0; i < r.n; ++i) dot += r.d_y[i] * r.weight[i] * r.x[i];
  const float back = dot * r.inverse_rms * r.inverse_rms / static_cast<float>(r.n);
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i) {
    r.d_x[i] += r.inverse_rms * (r.d_y[i] * r.weight[i] - r.x[i] * back);
    r.d_weight[i] += r.d_y[i] * r.x[i] * r.inverse_rms;
  }
}

THOUGHTRANK_CLONES void rotate(
    float* x, const float* cos, const float* sin, float direction, int64_t half) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float first = x[i], second = x[i + half], s = direction * sin[i];
    x[i] = first * cos[i] - second * s;
    x[i + half] = second * cos[i] + first * s;
  }
}

THOUGHTRANK_CLONES void gate(const float* gate, const float* up, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

THOUGHTRANK_CLONES void gate_gradient(
    const float* d_y, float* gate, float* up, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float g = gate[i], u = up[i], s = sigmoid(g);
    y[i] = g * s * u;
    gate[i] = d_y[i] * u * (s + g * s * (1.0F - s));
    up[i] = d_y[i] * g * s;
  }
}

THOUGHTRANK_CLONES float log_sum_exp(float* x, float factor, int64_t n) {
  float highest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : highest)
  for (int64_t i = 0; i < n; ++i) highest = x[i] > highest ? x[i] : highest;
  float sum = 0;
  if (factor == 0) {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += exponential(x[i] - highest);
    return highest + std::log(sum);
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    x[i] = exponential(x[i] - highest);
    sum += x[i];
  }
  const float share = factor / sum;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] *= share;
  return highest + std::log(sum);
}

THOUGHTRANK_CLONES void widen(const uint16_t* bits, float* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] = std::bit_cast<float>(static_cast<uint32_t>(bits[i]) << 16);
}

THOUGHTRANK_CLONES void narrow(const float* x, uint16_t* bits, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const auto word = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = (word + 0x7FFFU + ((word >> 16) & 1U)) >> 16;
    const bool is_nan = (word & 0x7FFFFFFFU) > 0x7F800000U;
    bits[i] = static_cast<uint16_t>(is_nan ? 0x7FC0U : rounded);
  }
}

THOUGHTRANK_CLONES void add(float* x, const float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}

}  // namespace thoughtrank::training_rows
