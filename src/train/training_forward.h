// The model's forward pass in training, with its hand-written backward pass as one autograd
// function: gradients of the weights are added in place to their .grad, layer by layer, and what a
// layer kept is freed as soon as its gradients are known. model/llama.h has the plain forward pass,
// which says the same in fewer lines.
#pragma once

#include <string>

#include "train/layer.h"

namespace thoughtrank {

// Told when gradients of weights begin to be added and when they are complete; the weights of a
// layer, the last norm's, or the embedding's. A weight that is told of as begun must have a .grad.
class GradientObserver {
 public:
  virtual ~GradientObserver() = default;
  virtual void begin(const std::vector<at::Tensor>& weights) = 0;
  virtual void end(const std::vector<at::Tensor>& weights) = 0;
};

struct ForwardOptions {
  Checkpointing checkpointing = Checkpointing::none;
  GradientObserver* observer = nullptr;  // outlives the backward pass
  // For weights that are functions of others, as merged adapters are: forward_hidden() under
  // autograd takes the place of all this.
  bool is_plain = false;
};

// Final hidden states after the last norm, (T, C) in training_dtype(). Under autograd its backward
// pass needs a .grad of each weight, and the model must outlive it; it works once. Bits do not
// depend on `checkpointing`. With `is_plain`: forward_hidden(), in the weights' type.
[[nodiscard]] at::Tensor training_hidden(const Llama& model,
                                         const PackedTokens& tokens,
                                         const ForwardOptions& options);

// All weights of a layer, in the order of Llama::named_parameters().
[[nodiscard]] std::vector<at::Tensor> weights_of(const LlamaLayer& layer);

}  // namespace thoughtrank
