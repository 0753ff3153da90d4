// Loops over single rows of float32, compiled for x86-64 levels 1, 3 and 4 (GCC's target_clones).
// A sum is cut into lanes, so its bits depend on the instruction set, never on threads.
#pragma once

#include <cstdint>

namespace thoughtrank::training_rows {

float sum_of_squares(const float* x, int64_t n);
void scale(const float* x, float factor, const float* weight, float* y, int64_t n);

// d_x += the gradient of y = x · r · weight with r = 1 / rms(x); d_weight += d_y · x · r.
struct NormRow {
  const float* d_y;
  const float* x;
  const float* weight;
  float inverse_rms;
  float* d_x;
  float* d_weight;
  int64_t n;
};
void add_norm_gradients(const NormRow& row);

// One head in place: cos and sin of its first half, `half` values each; direction 1 or −1.
void rotate(float* x, const float* cos, const float* sin, float direction, int64_t half);

// y = silu(gate) · up.
void gate(const float* gate, const float* up, float* y, int64_t n);
// The same, and gate and up become their gradients.
void gate_gradient(const float* d_y, float* gate, float* up, float* y, int64_t n);

// log Σ exp(x); x becomes exp(x − log Σ exp(x)) · factor where `factor` is not 0.
float log_sum_exp(float* x, float factor, int64_t n);

void widen(const uint16_t* bits, float* x, int64_t n);   // bfloat16 -> float32
void narrow(const float* x, uint16_t* bits, int64_t n);  // to the nearest, ties to even
void add(float* x, const float* y, int64_t n);

}  // namespace thoughtrank::training_rows
