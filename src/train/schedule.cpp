#include "train/schedule.h"

#include <cmath>
#include <numbers>

namespace thoughtrank {

double learning_rate_at(const TrainOptions& options, int64_t step, int64_t steps) {
  const auto warmup = static_cast<int64_t>(std::ceil(options.warmup * static_cast<double>(steps)));
  const double top = options.learning_rate;
  if (step < warmup) return top * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (options.schedule == "constant") return top;
  const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
  if (options.schedule == "linear") return top * (1 - done);
  return top * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace thoughtrank
