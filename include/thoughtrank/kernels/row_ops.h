// The operations of the forward pass that work row by row, vectorised for the CPU. Sums and
// intermediate values are float32; `out` may be float32 or bfloat16. No gradients, and no threads
// but the pool's: those of a library would go on spinning beside it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "thoughtrank/kernels/thread_pool.h"

namespace thoughtrank {

// Adds delta (M, C) float32, where defined, to x (M, C) float32, which holds the sum afterwards,
// and writes out (M, C) = x / rms(x) · weight (C) float32.
void add_rms_norm(ThreadPool& pool,
                  const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out);

// Writes to out (n, C) float32 the rows `places` of `rows` (N, C), float32 or bfloat16.
void widen_rows(const at::Tensor& rows, const std::vector<int64_t>& places, const at::Tensor& out);

// Returns the rows `places` of `rows` (N, C): (n, C) of the same type.
[[nodiscard]] at::Tensor copy_rows(const at::Tensor& rows, const std::vector<int64_t>& places);

}  // namespace thoughtrank
