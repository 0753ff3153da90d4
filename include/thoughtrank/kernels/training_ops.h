// The operations of a training step beside its matrix products, forward and backward: norms, rotary
// embedding, gated activation, cross-entropy. Rows are contiguous, float32 or bfloat16; arithmetic
// is float32. On the CPU each is one pass over memory; on other devices the same formulas run as
// ATen operations. Every result is a function of its inputs alone: the number of threads changes no
// bit.
//
// T tokens, C width, F feed-forward width, D head size, V vocabulary.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace thoughtrank {

// The type of activations and of matrix products for weights of this type on this device. float32
// on a CPU that multiplies float32 faster than bfloat16 (AVX512_BF16 without AMX on Intel: measured
// at 0.53 of float32's speed), else the weights' own.
[[nodiscard]] at::ScalarType training_dtype(at::ScalarType weights, at::Device device);

// 1 / sqrt(mean x² + eps) of each row: (T) float32.
[[nodiscard]] at::Tensor inverse_rms(const at::Tensor& x, double eps);

// x · inverse_rms · weight, (T, C) in x's type; weight (C) in any of the two types.
[[nodiscard]] at::Tensor scale_rows(const at::Tensor& x,
                                    const at::Tensor& inverse_rms,
                                    const at::Tensor& weight);

// The gradient of RMSNorm, y = scale_rows(x, inverse_rms(x), weight): adds ∂/∂x to `d_x` (T, C) and
// ∂/∂weight to `d_weight` (C).
struct RmsNormGradients {
  at::Tensor d_x;
  at::Tensor d_weight;
};
void add_rms_norm_gradients(const at::Tensor& d_y,
                            const at::Tensor& x,
                            const at::Tensor& inverse_rms,
                            const at::Tensor& weight,
                            const RmsNormGradients& gradients);

// Rotates the first `heads` heads of each row of x (T, all heads, D) in place by the row's angles:
// cos, sin (T, D) float32, both halves alike. `is_inverse` turns back: the gradient.
struct Rotation {
  at::Tensor cos, sin;
  int64_t heads = 0;
  bool is_inverse = false;
};
void rotate_heads(const at::Tensor& x, const Rotation& rotation);

// silu(gate) · up of gate_up (T, 2·F), gate first: (T, F).
[[nodiscard]] at::Tensor gated_activation(const at::Tensor& gate_up);
// The same value again; gate_up becomes the gradient of gate and up, given d_y (T, F).
[[nodiscard]] at::Tensor gated_activation_gradient(const at::Tensor& d_y,
                                                   const at::Tensor& gate_up);

// weights[n] · −log softmax(logits[n])[targets[n]] of each row, (N) float32; the logits (N, V)
// become its gradient where `wants_gradient`. targets (N) int64, weights (N) float32.
[[nodiscard]] at::Tensor cross_entropy_rows(const at::Tensor& logits,
                                            const at::Tensor& targets,
                                            const at::Tensor& weights,
                                            bool wants_gradient);

// The 2-norm of all elements of a flat tensor, on the CPU without a float32 copy of it: pieces are
// summed in float32, their sums in float64. Not finite iff an element is not, or a piece overflows.
[[nodiscard]] double norm_of(const at::Tensor& flat);

// target += source, of any of the two types each; the sum is float32 before it is stored.
void add_in_place(const at::Tensor& target, const at::Tensor& source);

}  // namespace thoughtrank
