// Linear layers of training on one or several weights that lie one after the other in the arena:
// they multiply as one matrix. Products run in the activations' type; a weight of another type is
// widened for the moment.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace thoughtrank {

// Elements of a weight that are widened, or of a gradient that are multiplied before they are added
// to one of another type, at a time: what stays in a core's cache until it is used.
inline constexpr int64_t kLinearBlock = int64_t{1} << 18;

// Stacks weights (N_i, C) to (ΣN_i, C): a view where they lie one after the other, else a copy.
[[nodiscard]] at::Tensor stack_weights(const std::vector<at::Tensor>& weights);

// Returns x (T, C) · weightᵀ -> (T, N), plus `residual` (T, N) where defined.
[[nodiscard]] at::Tensor apply_linear(const at::Tensor& x,
                                      const at::Tensor& weight,
                                      const at::Tensor& residual = {});

// Returns ∂/∂x = d_y (T, N) · weight -> (T, C).
[[nodiscard]] at::Tensor linear_input_gradient(const at::Tensor& d_y, const at::Tensor& weight);

// Adds ∂/∂weight = d_yᵀ · x to target (N, C).
void add_linear_gradient(const at::Tensor& target, const at::Tensor& d_y, const at::Tensor& x);
// Adds ∂/∂weight = d_yᵀ · x to the .grad of the weights, N_i rows to each.
void add_linear_weight_gradient(const at::Tensor& d_y,
                                const at::Tensor& x,
                                const std::vector<at::Tensor>& weights);

}  // namespace thoughtrank
