// How the optimizer's state is stored (train.optimizer_state), and what training holds in memory.
#pragma once

#include <cstdint>
#include <string>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/workbench.h"

namespace thoughtrank {

// Weights, gradients, moments and master of `parameters` weights; without activations.
[[nodiscard]] uint64_t training_bytes(const TrainOptions& options,
                                      const std::string& tier,
                                      const std::string& train_dtype,
                                      int64_t parameters);

// train.optimizer_state; auto: the first of float32_master, float32, bfloat16, int8 that leaves a
// quarter of the available memory for activations, else int8.
[[nodiscard]] std::string choose_tier(const TrainOptions& options,
                                      const std::string& train_dtype,
                                      int64_t parameters,
                                      uint64_t available_bytes);

// Weights in a model folder, from the headers of its files.
[[nodiscard]] int64_t count_parameters(const std::filesystem::path& model);

// The machine with its tier chosen for the config's model.
[[nodiscard]] Machine with_tier(Machine machine, const RunConfig& config);

}  // namespace thoughtrank
