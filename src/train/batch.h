// From packed rows to tensors, and their loss.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/model/llama.h"
#include "train/step_plan.h"

namespace thoughtrank {

struct Batch {
  PackedTokens tokens;   // T tokens
  at::Tensor positions;  // (N) int64: rows of the hidden states that predict a token with loss
  at::Tensor targets;    // (N) int64: that token
  at::Tensor weights;    // (N) float32: its weight · weight_scale
};

[[nodiscard]] Batch make_batch(const Sequence& sequence, double weight_scale, at::Device device);

// Σ weight · cross-entropy over the batch's loss tokens, a float32 scalar; under autograd where the
// weights require gradients.
[[nodiscard]] at::Tensor batch_loss(const Llama& model, const Batch& batch);

}  // namespace thoughtrank
