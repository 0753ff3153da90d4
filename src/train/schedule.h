// The learning rate of each optimizer step: a pure function of the options and the step.
#pragma once

#include <cstdint>

#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

// `step` is 0 for the first of `steps`. Over the first ceil(warmup · steps) steps the rate rises
// linearly to the top, which the last of them has; then it is constant, or falls to what would be 0
// at step `steps`.
[[nodiscard]] double learning_rate_at(const TrainOptions& options, int64_t step, int64_t steps);

}  // namespace thoughtrank
