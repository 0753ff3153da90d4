// One decoder layer in training: the forward pass, and the backward pass written out by hand from
// what a tape keeps. Gradients of weights are added in place to where the weights' .grad lies;
// autograd sees none of it.
//
//   h = x + attention(norm(x)) · oᵀ;   y = h + gated(norm(h)) · downᵀ
//
// Letters as in model/llama.h. All activations are of training_dtype(); weights are widened for the
// product where theirs differs.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "thoughtrank/model/llama.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

// The documents of a micro-batch and their rotary angles.
struct LayerInput {
  const LlamaConfig& config;
  std::vector<int64_t> offsets;  // of the documents, as in PackedTokens
  RopeTable rope;                // (T, D) float32: each token's place in its document
};

struct LayerTape {
  at::Tensor x;                          // (T, C)
  at::Tensor x_scale;                    // (T) 1 / rms(x)
  at::Tensor qkv;                        // (T, (H + 2·K)·D), rotated
  at::Tensor mixed;                      // (T, H·D), what attention gives
  std::vector<at::Tensor> log_sum_exps;  // of each document's scores
  at::Tensor h;                          // (T, C)
  at::Tensor h_scale;                    // (T) 1 / rms(h)
  at::Tensor gate_up;                    // (T, 2·F)
};

// y (T, C); the tape is filled as far as `checkpointing` keeps it.
[[nodiscard]] at::Tensor forward_layer(const LlamaLayer& layer,
                                       const LayerInput& input,
                                       const at::Tensor& x,
                                       Checkpointing checkpointing,
                                       LayerTape& tape);

// ∂/∂x (T, C) given ∂/∂y, which it may overwrite. What the tape lacks is computed again, with the
// same bits; the tape is used up.
[[nodiscard]] at::Tensor backward_layer(const LlamaLayer& layer,
                                        const LayerInput& input,
                                        const at::Tensor& d_y,
                                        LayerTape tape);

}  // namespace thoughtrank
