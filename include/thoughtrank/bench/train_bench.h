// `bench train`: how fast full fine-tuning steps go, beside what the machine could do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

struct TrainBenchOptions {
  std::string model;                   // Hugging Face folder; its tokenizer is not needed
  std::string data;                    // training_data.jsonl instead of random rows
  int64_t sequence = 512;              // tokens of a random row
  int64_t rows = 4;                    // random rows, together one step
  std::optional<int64_t> loss_tokens;  // last tokens of a row with loss; nullopt: three quarters
  int64_t steps = 3;                   // timed steps; one more warms up
  std::optional<int64_t> pack;         // tokens of a micro-batch; nullopt: the trainer's default
  ComputeOptions compute = {.device = "cpu", .dtype = {}, .train_dtype = {}, .threads = {}};
  TrainOptions train;  // optimizer_state, checkpointing, optimizer_in_backward
};

// Loads the model, times the steps, measures the machine, and reports all of it: the object that
// the command prints. Error(kUsage) where the options contradict each other, Error(kBadData) for
// rows without ids.
[[nodiscard]] Json bench_train(const TrainBenchOptions& options,
                               const Clock& clock,
                               const StopFlag& stop);

// Counts the operations (two for a multiply-add) of forward and backward passes over `rows`: every
// linear layer three times, the output projection on loss rows only, causal attention at half its
// square. What checkpointing computes again is not counted.
[[nodiscard]] double training_flops(const LlamaConfig& model, const std::vector<TrainingRow>& rows);

}  // namespace thoughtrank
