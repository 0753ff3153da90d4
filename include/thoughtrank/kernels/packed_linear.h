// A linear layer whose weights are stored in the order in which the CPU's micro-kernel reads them:
// panels of 32 output columns. float32, or bfloat16 with float32 sums. An output element is summed
// in one fixed order, so a row's result is bitwise the same whatever the number of rows, the row's
// place among them, or the number of threads. No gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "thoughtrank/kernels/huge_page_arena.h"
#include "thoughtrank/kernels/thread_pool.h"

namespace thoughtrank {

// Returns the type in which linear layers and attention take their rows: bfloat16 where the weights
// are and the CPU multiplies it faster than float32, else float32.
[[nodiscard]] at::ScalarType activation_dtype(at::ScalarType weights);

class PackedLinear {
 public:
  PackedLinear() = default;
  // Packs the rows of `weights`, each (N_i, C), one after the other as the N = ΣN_i output columns.
  // All are float32 or all bfloat16, on the CPU; they are copied into `memory` and may be released.
  // Throws Error(kConfig) for another type or device, and for odd C in bfloat16.
  PackedLinear(const std::vector<at::Tensor>& weights, HugePageArena& memory);

  // Writes out (M, N) float32 = x (M, C) · weightsᵀ; x is in activation_dtype() of the weights,
  // each row contiguous.
  void apply(ThreadPool& pool, const at::Tensor& x, const at::Tensor& out) const;
  // Does the same for `count` panels from `first` on, on the calling thread only: `out`
  // (M, 32 · count), columns after N are 0.
  void apply_panels(const at::Tensor& x, int64_t first, int64_t count, float* out) const;

  // Writes to out (n, C) float32 the rows `rows` of the weights, as they were before packing,
  // widened: a tied embedding needs no second copy.
  void unpack_rows(const std::vector<int64_t>& rows, const at::Tensor& out) const;

  [[nodiscard]] int64_t in_features() const { return in_features_; }
  [[nodiscard]] int64_t out_features() const { return out_features_; }
  [[nodiscard]] int64_t panel_count() const;
  [[nodiscard]] at::ScalarType dtype() const { return panels_.scalar_type(); }

 private:
  int64_t in_features_ = 0;   // C
  int64_t out_features_ = 0;  // N
  at::Tensor panels_;         // (ceil(N / 32), 32 · C), each (C, 32), in bfloat16 (C / 2, 32, 2)
};

// Writes out (M, F) = silu(x · gateᵀ) · (x · upᵀ) in activation_dtype(): it takes both products of
// a panel while they are near, so that neither is whole in memory. gate and up have one shape (C ->
// F).
void apply_gated(ThreadPool& pool,
                 const PackedLinear& gate,
                 const PackedLinear& up,
                 const at::Tensor& x,
                 const at::Tensor& out);

}  // namespace thoughtrank
