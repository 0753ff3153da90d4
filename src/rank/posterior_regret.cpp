#include "thoughtrank/rank/posterior_regret.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace thoughtrank {
namespace {

constexpr int kSamples = 500;

// Posterior mean of the item minus the weighted mean of all; without weights all count alike.
double lead_over_average(const Posterior& posterior,
                         size_t item,
                         const std::vector<double>& weights) {
  double average = 0;
  for (size_t i = 0; i < posterior.mean.size(); ++i) {
    const double weight =
        weights.empty() ? 1.0 / static_cast<double>(posterior.mean.size()) : weights[i];
    average += weight * posterior.mean[i];
  }
  return posterior.mean[item] - average;
}

size_t index_of_max(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace

std::vector<double> sample_utilities(const Posterior& posterior, RandomStream& random) {
  std::vector<double> noise(posterior.mean.size());
  for (double& value : noise) value = random.normal();
  // precision = L·Lᵀ, so L⁻ᵀ·noise has the covariance precision⁻¹.
  std::vector<double> utilities = posterior.precision.solve_upper(std::move(noise));
  for (size_t i = 0; i < utilities.size(); ++i) utilities[i] += posterior.mean[i];
  return utilities;
}

PosteriorRegret posterior_regret(const Posterior& posterior,
                                 size_t winner,
                                 RandomStream random,
                                 const std::vector<double>& weights) {
  PosteriorRegret regret{.p_best = std::vector<double>(posterior.mean.size(), 0.0)};
  for (int n = 0; n < kSamples; ++n) {
    const std::vector<double> utilities = sample_utilities(posterior, random);
    const size_t best = index_of_max(utilities);
    regret.p_best[best] += 1.0 / kSamples;
    regret.expected += (utilities[best] - utilities[winner]) / kSamples;
  }
  const double promise = regret.expected + lead_over_average(posterior, winner, weights);
  if (promise > 0) regret.share = std::min(1.0, regret.expected / promise);
  return regret;
}

std::vector<size_t> thompson_sample(const Posterior& posterior, size_t count, RandomStream random) {
  constexpr int kMostDraws = 64;
  std::vector<size_t> chosen;
  const auto add = [&](size_t item) {
    const bool is_new = std::find(chosen.begin(), chosen.end(), item) == chosen.end();
    if (is_new && chosen.size() < count) chosen.push_back(item);
  };
  for (int n = 0; n < kMostDraws && chosen.size() < count; ++n) {
    add(index_of_max(sample_utilities(posterior, random)));
  }
  for (const size_t item : by_mean(posterior)) add(item);
  return chosen;
}

std::vector<size_t> by_mean(const Posterior& posterior) {
  std::vector<size_t> order(posterior.mean.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return posterior.mean[a] > posterior.mean[b];
  });
  return order;
}

double confidence_over_average(const Posterior& posterior,
                               size_t item,
                               const std::vector<double>& weights) {
  std::vector<double> contrast(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) contrast[i] = (i == item ? 1.0 : 0.0) - weights[i];
  const double gap = lead_over_average(posterior, item, weights);
  const double deviation = posterior.deviation_of(std::move(contrast));
  if (deviation == 0) return 0.5;
  return 0.5 * std::erfc(-gap / deviation / std::sqrt(2.0));
}

}  // namespace thoughtrank
