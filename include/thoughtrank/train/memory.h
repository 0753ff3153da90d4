// What a training holds in memory at its largest, by part: an accounting that tests set against the
// allocator's own peak. Letters as in model/llama.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "thoughtrank/model/config.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

struct TrainingMemory {
  uint64_t weights = 0;      // lora: frozen and merged ones, and the adapters
  uint64_t gradients = 0;    // with optimizer_in_backward of one layer, embedding, head, last norm
  uint64_t moments = 0;      // of AdamW, with a master copy where there is one
  uint64_t activations = 0;  // that all layers keep for the backward pass
  // One after the other, so that the larger counts:
  uint64_t loss_chunk = 0;  // logits of a chunk of loss rows and their surroundings
  uint64_t layer_work = 0;  // the backward pass of one layer, with what it computes again
  [[nodiscard]] uint64_t standing() const;  // weights, gradients, moments: all the time
  [[nodiscard]] uint64_t total() const;
};

struct TrainingSize {
  int64_t tokens = 0;       // T of a micro-batch
  int64_t loss_tokens = 0;  // of these, with loss
  Checkpointing checkpointing = Checkpointing::none;
  at::ScalarType weights = at::kFloat;
  at::Device device = at::kCPU;
};

// Accounts for a training at its largest. Beside it lie the process itself (libraries, 0.2 to 0.5
// GiB) and what the allocator rounds up. For lora the activations are a lower bound: its plain
// forward pass keeps more.
[[nodiscard]] TrainingMemory training_memory(const LlamaConfig& model,
                                             const TrainOptions& options,
                                             const TrainingSize& size);

// Returns the option; where it is auto, the first of none, selective, full whose activations and
// work fit into four fifths of `left_bytes`, what memory has left beside weights, gradients and
// moments.
[[nodiscard]] Checkpointing fitting_checkpointing(const LlamaConfig& model,
                                                  const TrainOptions& options,
                                                  TrainingSize size,
                                                  uint64_t left_bytes);

// Returns the option; where it is auto, the first of float32_master, float32, bfloat16, int8 with
// which weights, gradients and moments leave a quarter of `available_bytes` for activations, else
// int8; float32 where the bytes are not known (0).
[[nodiscard]] OptimizerState fitting_optimizer_state(const LlamaConfig& model,
                                                     const TrainOptions& options,
                                                     const TrainingSize& size,
                                                     uint64_t available_bytes);

}  // namespace thoughtrank
