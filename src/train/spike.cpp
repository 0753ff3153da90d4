#include "train/spike.h"

#include <algorithm>
#include <cmath>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

// The newest accepted steps' values, at most kSpikeWindow.
std::vector<double> recent(const std::vector<MetricsRow>& metrics, double MetricsRow::*member) {
  std::vector<double> values;
  for (auto row = metrics.rbegin(); row != metrics.rend() && values.size() < kSpikeWindow; ++row) {
    if (!row->skipped) values.push_back((*row).*member);
  }
  return values;
}

double highest_expected(const std::vector<double>& values, double sigmas) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, variance = 0;
  for (const double value : values) mean += value / count;
  for (const double value : values) variance += (value - mean) * (value - mean) / (count - 1);
  return mean + sigmas * std::max(std::sqrt(variance), 0.1 * std::abs(mean));
}

std::string spike_of(const char* name,
                     double value,
                     const std::vector<double>& before,
                     double sigmas) {
  if (before.size() < kLeastSpikeHistory) return "";
  const double highest = highest_expected(before, sigmas);
  if (value <= highest) return "";
  return fmt::format(
      "{} {:.4g} is more than {} deviations above the mean of the last {} steps "
      "({:.4g} at most)",
      name,
      value,
      sigmas,
      before.size(),
      highest);
}

}  // namespace

std::string fault_of(double loss,
                     double grad_norm,
                     const std::vector<MetricsRow>& metrics,
                     double sigmas) {
  if (!std::isfinite(loss)) return "the loss is not finite";
  if (!std::isfinite(grad_norm)) return "the gradient norm is not finite";
  if (sigmas == 0) return "";
  const std::string fault = spike_of("loss", loss, recent(metrics, &MetricsRow::loss), sigmas);
  if (!fault.empty()) return fault;
  return spike_of("gradient norm", grad_norm, recent(metrics, &MetricsRow::grad_norm), sigmas);
}

}  // namespace thoughtrank
