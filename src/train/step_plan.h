// Which rows make up which optimizer step, and how they are packed: pure functions of rows, options
// and seed, so that a resumed run finds the same steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/model/config.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

// Rows packed one after the other into one forward pass: a micro-batch.
using Sequence = std::vector<const TrainingRow*>;

struct StepPlan {
  double epoch = 0;  // epochs done after the step: 1.5 = one and a half
  std::vector<Sequence> sequences;
  int64_t tokens = 0;
  int64_t loss_tokens = 0;  // tokens with a weight above 0
  double loss_weight = 0;   // their weights' sum
};

// Weight of each token of the row in the loss, 0 outside the spans: span weight · row weight.
[[nodiscard]] std::vector<float> token_weights(const TrainingRow& row);

// First fit, in order: a unit of rows that belong together goes into the first sequence that has
// room for it.
[[nodiscard]] std::vector<Sequence> pack_units(const std::vector<Sequence>& units,
                                               int64_t sequence_length);
// Each row for itself.
[[nodiscard]] std::vector<Sequence> pack_rows(const std::vector<const TrainingRow*>& rows,
                                              int64_t sequence_length);

// All steps of all epochs. A step takes units (of `rows_per_unit` neighbours, shuffled as a whole)
// in order until it has `tokens_per_step` tokens; it does not reach over the end of an epoch, with
// optimizer_in_backward not over one sequence either.
[[nodiscard]] std::vector<StepPlan> plan_steps(const std::vector<TrainingRow>& rows,
                                               const TrainSetup& setup,
                                               size_t rows_per_unit = 1);

}  // namespace thoughtrank
