#include "train/schedule.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

namespace thoughtrank {

double learning_rate_at(const TrainOptions& options, int64_t step, int64_t steps) {
  const auto warmup = static_cast<int64_t>(std::ceil(options.warmup * static_cast<double>(steps)));
  const double top = options.learning_rate;
  if (step < warmup) return top * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double done = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
  switch (options.schedule) {
    case Schedule::constant:
      return top;
    case Schedule::linear:
      return top * (1 - done);
    case Schedule::cosine:
      return top * 0.5 * (1 + std::cos(std::numbers::pi * done));
  }
  throw std::logic_error("a schedule that is none");
}

}  // namespace thoughtrank
