// Output projection and cross-entropy in one autograd function, a few rows at a time: the logits of
// a sequence are never whole in memory. Loss and gradients of a chunk are computed together in the
// forward pass (as in Liger kernels, arXiv 2410.10989); softmax and sums are float32.
#pragma once

#include <ATen/core/Tensor.h>

namespace thoughtrank {

struct CrossEntropyRows {
  at::Tensor hidden;   // (N, C) hidden states of the rows with loss only
  at::Tensor lm_head;  // (V, C) output projection, of this or another type: see linear.h
  at::Tensor targets;  // (N) int64 ids that the rows should predict
  at::Tensor weights;  // (N) float32 factors of the rows' losses
  // Where defined, (V, C): ∂ loss / ∂ lm_head is added here in the forward pass, and the graph has
  // none. This serves a loss that is a sum of such calls, and nothing else.
  at::Tensor lm_head_gradient = {};
};

// Counts the rows of a chunk such that its float32 logits take about 64 MB; a function of V only.
[[nodiscard]] int64_t default_chunk_rows(int64_t vocab_size);
// Counts the rows of each chunk but the last: `rows` go into as few chunks of at most `most` as
// there must be, and these are of one size.
[[nodiscard]] int64_t loss_chunk_rows(int64_t rows, int64_t most);

// Returns Σ weights[n] · −log softmax(hidden[n] · lm_headᵀ)[targets[n]], a float32 scalar on the
// rows' device. It is differentiable in hidden and lm_head; gradients are computed only for those
// that require them.
[[nodiscard]] at::Tensor linear_cross_entropy(const CrossEntropyRows& rows, int64_t chunk_rows);

}  // namespace thoughtrank
