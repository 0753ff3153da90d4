// The operations of the forward pass that work row by row, vectorised for the CPU. Sums and
// intermediate values are float32; `out` takes the type of the weights. No gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace thoughtrank {

// x (M, C) float32 += delta (M, C) float32, where defined; then out (M, C) = x / rms(x) · weight
// (C) float32. x holds the sum afterwards.
void add_rms_norm(const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out);

// out (M, F) = silu(gate) · up of gate_up (M, 2·F) float32, gate first.
void silu_mul(const at::Tensor& gate_up, const at::Tensor& out);

}  // namespace thoughtrank
