// Causal attention inside each document of a packed micro-batch, forward and backward: documents
// are attended to one by one, so that none sees another and no mask over all of them exists.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "thoughtrank/model/config.h"

namespace thoughtrank {

struct AttentionOutput {
  at::Tensor mixed;                      // (T, H·D)
  std::vector<at::Tensor> log_sum_exps;  // of each document's scores, for the backward pass
};

// qkv (T, (H + 2·K)·D), queries and keys rotated; `offsets` as in PackedTokens.
[[nodiscard]] AttentionOutput attend_documents(const at::Tensor& qkv,
                                               const std::vector<int64_t>& offsets,
                                               const LlamaConfig& config);

// ∂/∂qkv (T, (H + 2·K)·D) given ∂/∂mixed.
[[nodiscard]] at::Tensor attend_documents_gradient(const at::Tensor& d_mixed,
                                                   const at::Tensor& qkv,
                                                   const AttentionOutput& output,
                                                   const std::vector<int64_t>& offsets,
                                                   const LlamaConfig& config);

// Of one document: gradients of queries, keys and values have their shapes.
struct AttentionHeads {
  at::Tensor q, k, v;  // (K, H/K, n, D); those that share a key head are neighbours
};
// What the two functions above do with each document where it is not on the CPU: the kernel is
// PyTorch's choice, and the backward pass runs the forward pass again under autograd.
[[nodiscard]] at::Tensor attend_elsewhere(const AttentionHeads& heads);
[[nodiscard]] AttentionHeads attend_elsewhere_gradient(const at::Tensor& d_mixed,
                                                       const AttentionHeads& heads);

}  // namespace thoughtrank
