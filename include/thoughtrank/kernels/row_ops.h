// The operations of the forward pass that work row by row, vectorised for the CPU. Sums and
// intermediate values are float32; `out` may be float32 or bfloat16. No gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/kernels/team.h"

namespace thoughtrank {

// x (M, C) float32 += delta (M, C) float32, where defined; then out (M, C) = x / rms(x) · weight
// (C) float32. x holds the sum afterwards.
void add_rms_norm(Team& team,
                  const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out);

}  // namespace thoughtrank
