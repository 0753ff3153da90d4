// From packed rows to tensors, and their loss.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/model/llama.h"
#include "train/micro_batches.h"
#include "train/step_plan.h"
#include "train/training_forward.h"

namespace thoughtrank {

struct Batch {
  PackedTokens tokens;   // T tokens
  at::Tensor positions;  // (N) int64: rows of the hidden states that predict a token with loss
  at::Tensor targets;    // (N) int64: that token
  at::Tensor weights;    // (N) float32: its weight · weight_scale
};

[[nodiscard]] Batch make_batch(const Sequence& sequence, double weight_scale, at::Device device);

// Σ weight · cross-entropy over the batch's loss tokens, a float32 scalar; under autograd where the
// weights require gradients, which then are added to their .grad: the head's in this call, the
// others' in the backward pass.
[[nodiscard]] at::Tensor batch_loss(const Llama& model,
                                    const Batch& batch,
                                    const ForwardOptions& options = {});

// How a loss over all rows is computed.
struct MeanLoss {
  int64_t sequence_length = 0;
  MicroBatches& micro_batches;
  const StopFlag& stop;
  ForwardOptions forward = {};
};
// The batch_loss of all rows divided by Σ weight, without gradients.
[[nodiscard]] double mean_loss_of(const Llama& model,
                                  const std::vector<TrainingRow>& rows,
                                  const MeanLoss& how);

}  // namespace thoughtrank
