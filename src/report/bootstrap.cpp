#include <algorithm>
#include <numeric>

#include "thoughtrank/core/random.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {

MeanWithInterval bootstrap_mean(const std::vector<double>& values) {
  constexpr size_t kResamples = 10'000;
  MeanWithInterval result;
  result.count = static_cast<int64_t>(values.size());
  if (values.empty()) return result;
  const auto n = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
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
  return result;
}

}  // namespace thoughtrank
