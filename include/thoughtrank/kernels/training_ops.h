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

// Returns the type of activations and of matrix products for weights of this type on this device:
// float32 on a CPU that multiplies float32 faster than bfloat16 (AVX512_BF16 without AMX on Intel:
// measured at 0.53 of float32's speed), else the weights' own.
[[nodiscard]] at::ScalarType training_dtype(at::ScalarType weights, at::Device device);

// Returns 1 / sqrt(mean x² + eps) of each row: (T) float32.
[[nodiscard]] at::Tensor inverse_rms(const at::Tensor& x, double eps);

// Returns x · inverse_rms · weight, (T, C) in x's type; weight (C) is of any of the two types.
[[nodiscard]] at::Tensor scale_rows(const at::Tensor& x,
                                    const at::Tensor& inverse_rms,
                                    const at::Tensor& weight);

struct RmsNormGradients {
  at::Tensor d_x;       // (T, C) ∂/∂x
  at::Tensor d_weight;  // (C) ∂/∂weight
};
// Adds the gradients of RMSNorm, y = scale_rows(x, inverse_rms(x), weight), to `gradients`.
void add_rms_norm_gradients(const at::Tensor& d_y,
                            const at::Tensor& x,
                            const at::Tensor& inverse_rms,
                            const at::Tensor& weight,
                            const RmsNormGradients& gradients);

struct Rotation {
  at::Tensor cos, sin;      // (T, D) float32 of each row's angles, both halves alike
  int64_t heads = 0;        // heads that turn, the first ones of a row
  bool is_inverse = false;  // whether they turn back, which gives the gradient
};
// Rotates heads of each row of x (T, all heads, D) in place.
void rotate_heads(const at::Tensor& x, const Rotation& rotation);

// Returns silu(gate) · up (T, F) of gate_up (T, 2·F), gate first.
[[nodiscard]] at::Tensor gated_activation(const at::Tensor& gate_up);
// Returns the same value again; gate_up becomes the gradient of gate and up, given d_y (T, F).
[[nodiscard]] at::Tensor gated_activation_gradient(const at::Tensor& d_y,
                                                   const at::Tensor& gate_up);

// Returns weights[n] · −log softmax(logits[n])[targets[n]] of each row, (N) float32; the logits
// (N, V) become its gradient where `wants_gradient`. targets (N) are int64, weights (N) float32.
[[nodiscard]] at::Tensor cross_entropy_rows(const at::Tensor& logits,
                                            const at::Tensor& targets,
                                            const at::Tensor& weights,
                                            bool wants_gradient);

// Returns the 2-norm of all elements of a flat tensor, on the CPU without a float32 copy of it:
// pieces are summed in float32, their sums in float64. The norm is not finite iff an element is
// not, or a piece overflows.
[[nodiscard]] double norm_of(const at::Tensor& flat);

// Adds source to target, of any of the two types each; the sum is float32 before it is stored.
void add_in_place(const at::Tensor& target, const at::Tensor& source);

}  // namespace thoughtrank
