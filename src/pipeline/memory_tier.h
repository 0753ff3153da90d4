// How the optimizer's state is stored (train.optimizer_state); thoughtrank/train/memory.h has the
// bytes.
#pragma once

#include <cstdint>
#include <string>

#include "thoughtrank/model/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

// train.optimizer_state; auto: the first of float32_master, float32, bfloat16, int8 that leaves a
// quarter of the available memory for activations, else int8.
[[nodiscard]] std::string choose_tier(const TrainOptions& options,
                                      const LlamaConfig& model,
                                      const ComputeSetup& compute,
                                      uint64_t available_bytes);

// The machine with its tier chosen in the memory that its device has left.
[[nodiscard]] ComputeSetup with_tier(ComputeSetup compute,
                                     const TrainOptions& options,
                                     const LlamaConfig& model);

}  // namespace thoughtrank
