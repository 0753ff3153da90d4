#include <algorithm>
#include <cmath>
#include <numeric>

#include "thoughtrank/core/random.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {

namespace {

// Wilson's score interval of a share of n.
void set_score_interval(MeanWithInterval& result) {
  constexpr double z = 1.959964;
  const auto n = static_cast<double>(result.count);
  const double middle = (result.mean + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z / (1 + z * z / n) * std::sqrt(result.mean * (1 - result.mean) / n + z * z / (4 * n * n));
  result.low = std::max(0.0, middle - half);
  result.high = std::min(1.0, middle + half);
}

void set_bootstrap_interval(MeanWithInterval& result, const std::vector<double>& values) {
  constexpr size_t kResamples = 10'000;
  const auto n = static_cast<double>(values.size());
  RandomStream stream(/*seed=*/0, "bootstrap", {values.size()});
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double sum = 0;
    for (size_t k = 0; k < values.size(); ++k) sum += values[stream.below(values.size())];
    mean = sum / n;
  }
  std::sort(means.begin(), means.end());
  result.low = means[kResamples * 25 / 1000];
  result.high = means[kResamples * 975 / 1000 - 1];
}

}  // namespace

MeanWithInterval mean_with_interval(const std::vector<double>& values) {
  MeanWithInterval result;
  result.count = static_cast<int64_t>(values.size());
  if (values.empty()) return result;
  result.mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(result.count);
  const bool are_shares = std::all_of(
      values.begin(), values.end(), [](double value) { return value == 0 || value == 1; });
  if (are_shares) {
    set_score_interval(result);
  } else {
    set_bootstrap_interval(result, values);
  }
  return result;
}

}  // namespace thoughtrank
