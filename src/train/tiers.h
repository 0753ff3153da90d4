// What the options of a training say about types, memory and the order of its work; see
// thoughtrank/train/memory.h for the bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/model/llama.h"
#include "thoughtrank/train/trainer.h"
#include "train/layer.h"

namespace thoughtrank {

[[nodiscard]] at::ScalarType weights_dtype(const TrainOptions& options, at::ScalarType loaded);
[[nodiscard]] at::ScalarType moments_dtype(const TrainOptions& options);
[[nodiscard]] bool has_float32_master(const TrainOptions& options);
// Both moments of parameters of type `weights`, with a master copy where there is one.
[[nodiscard]] int64_t moment_bytes(const TrainOptions& options,
                                   at::ScalarType weights,
                                   int64_t parameters);

// fitting_checkpointing() in the memory that the device has left now.
[[nodiscard]] Checkpointing choose_checkpointing(const TrainOptions& options, const Llama& model);

}  // namespace thoughtrank
