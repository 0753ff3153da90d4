// How fast a training goes: the trainer's own steps on given rows, timed, with nothing kept on
// disk.
#pragma once

#include <cstdint>
#include <vector>

#include "thoughtrank/train/memory.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

struct TrainingTimes {
  std::vector<double> steps_s;  // each timed step, its parts included
  double forward_s = 0;         // means over the timed steps
  double backward_s = 0;
  double update_s = 0;  // gradient norm and AdamW
  int64_t tokens = 0;   // of a step, and of these with loss
  int64_t loss_tokens = 0;
  double loss = 0;    // of the last step
  TrainingSize size;  // of the largest micro-batch
  TrainingMemory memory;
};

// Counts the tokens of the row that have a loss.
[[nodiscard]] int64_t count_loss_tokens(const TrainingRow& row);

// Trains `model` on all rows as one optimizer step, once as a warm-up and then `steps` times.
// `progress` counts steps and tokens. Rows as train() takes them. Error(kTrainingHealth) when a
// step is not finite.
[[nodiscard]] TrainingTimes time_training(Llama& model,
                                          const std::vector<TrainingRow>& rows,
                                          const TrainSetup& setup,
                                          int64_t steps,
                                          Progress& progress);

}  // namespace thoughtrank
