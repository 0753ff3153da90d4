#include "thoughtrank/rank/plackett_luce.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace thoughtrank {
namespace {

double scale_of(const RankingSet& set, size_t ranking) {
  return set.scales.empty() ? 1 : set.scales[ranking];
}

// What the ranking's judge sees in its items, by place: s·u + e·length.
std::vector<double> seen_values(const RankingSet& set,
                                size_t ranking,
                                const std::vector<double>& u) {
  std::vector<double> values;
  for (const size_t item : set.rankings[ranking]) {
    double value = scale_of(set, ranking) * u[item];
    if (!set.length_effects.empty()) value += set.length_effects[ranking] * set.lengths[item];
    values.push_back(value);
  }
  return values;
}

// log Σ_{l ≥ j} exp(value of place l), for each place j.
std::vector<double> log_tails(const std::vector<double>& values) {
  std::vector<double> tails(values.size());
  double tail = -std::numeric_limits<double>::infinity();
  for (size_t j = values.size(); j-- > 0;) {
    const double high = std::max(values[j], tail);
    tail = high + std::log(std::exp(values[j] - high) + std::exp(tail - high));
    tails[j] = tail;
  }
  return tails;
}

double log_posterior(const RankingSet& set, const std::vector<double>& u, double sigma) {
  double square = 0;
  for (const double value : u) square += value * value;
  return log_likelihood(set, u) - 0.5 * square / (sigma * sigma);
}

struct Derivatives {
  std::vector<double> gradient;  // (items) of the log posterior
  SquareMatrix curvature;        // its negative Hessian; lower half only
};

// A ranking of a judge of scale s, and what that judge sees in its items.
struct SeenRanking {
  const Ranking& ranking;
  double scale;
  std::vector<double> values;  // by place
};

// The pick at one place adds softmax p of the values left: gradient s (e_picked − p), negative
// Hessian s² (diag(p) − p pᵀ).
void add_pick(const SeenRanking& seen, size_t place, double log_tail, Derivatives& d) {
  const auto& [ranking, scale, values] = seen;
  const double square = scale * scale;
  std::vector<double> p(ranking.size(), 0.0);
  d.gradient[ranking[place]] += scale;
  for (size_t l = place; l < ranking.size(); ++l) {
    const size_t item = ranking[l];
    p[l] = std::exp(values[l] - log_tail);
    d.gradient[item] -= scale * p[l];
    d.curvature.at(item, item) += square * p[l] * (1 - p[l]);
    for (size_t m = place; m < l; ++m) {
      const auto [low, high] = std::minmax(item, ranking[m]);
      d.curvature.at(high, low) -= square * p[l] * p[m];
    }
  }
}

Derivatives derivatives(const RankingSet& set, const std::vector<double>& u, double sigma) {
  const double precision = 1 / (sigma * sigma);
  Derivatives d{.gradient = std::vector<double>(set.items), .curvature = SquareMatrix(set.items)};
  for (size_t i = 0; i < set.items; ++i) {
    d.gradient[i] = -u[i] * precision;
    d.curvature.at(i, i) = precision;
  }
  for (size_t r = 0; r < set.rankings.size(); ++r) {
    const SeenRanking ranking{set.rankings[r], scale_of(set, r), seen_values(set, r, u)};
    const std::vector<double> tails = log_tails(ranking.values);
    for (size_t j = 0; j < tails.size(); ++j) add_pick(ranking, j, tails[j], d);
  }
  return d;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The Newton step, halved until the log posterior does not fall. The objective is strictly concave,
// so this ends; false when no step helps any more.
bool take_step(const RankingSet& set,
               double sigma,
               const std::vector<double>& step,
               std::vector<double>& u,
               double& value) {
  for (double length = 1; length > 1e-6; length /= 2) {
    std::vector<double> next = u;
    for (size_t i = 0; i < next.size(); ++i) next[i] += length * step[i];
    const double next_value = log_posterior(set, next, sigma);
    if (next_value >= value) {
      u = std::move(next);
      value = next_value;
      return true;
    }
  }
  return false;
}

// The evidence of all sets as a function of log σ; each fit starts from the one before.
class Evidence {
 public:
  explicit Evidence(std::vector<RankingSet> sets) : sets_(std::move(sets)), means_(sets_.size()) {}

  double at(double log_sigma) {
    double sum = 0;
    for (size_t n = 0; n < sets_.size(); ++n) {
      Posterior posterior = fit(sets_[n], std::exp(log_sigma), std::move(means_[n]));
      sum += posterior.log_evidence;
      means_[n] = std::move(posterior.mean);
    }
    return sum;
  }

 private:
  std::vector<RankingSet> sets_;
  std::vector<std::vector<double>> means_;
};

}  // namespace

double Posterior::deviation_of(std::vector<double> contrast) const {
  const std::vector<double> x = precision.solve_lower(std::move(contrast));
  return std::sqrt(dot(x, x));
}

double log_likelihood(const RankingSet& set, const std::vector<double>& utilities) {
  double sum = 0;
  for (size_t r = 0; r < set.rankings.size(); ++r) {
    const std::vector<double> values = seen_values(set, r, utilities);
    const std::vector<double> tails = log_tails(values);
    for (size_t j = 0; j < tails.size(); ++j) sum += values[j] - tails[j];
  }
  return sum;
}

Posterior fit(const RankingSet& set, double sigma, std::vector<double> start) {
  constexpr int kMostSteps = 100;
  constexpr double kDecrement = 1e-12;
  std::vector<double> u = std::move(start);
  u.resize(set.items, 0.0);
  double value = log_posterior(set, u, sigma);
  for (int step = 0;; ++step) {
    auto [gradient, curvature] = derivatives(set, u, sigma);
    Cholesky precision(std::move(curvature));
    const std::vector<double> newton = precision.solve(gradient);
    const bool is_converged = dot(gradient, newton) < kDecrement || step == kMostSteps;
    if (is_converged || !take_step(set, sigma, newton, u, value)) {
      const double evidence = value - static_cast<double>(set.items) * std::log(sigma) -
                              0.5 * precision.log_determinant();
      return {.mean = std::move(u), .precision = std::move(precision), .log_evidence = evidence};
    }
  }
}

double estimate_sigma(const std::vector<RankingSet>& sets) {
  std::vector<RankingSet> known;
  for (const RankingSet& set : sets) {
    if (!set.rankings.empty()) known.push_back(set);
  }
  if (known.empty()) return kSmallestSigma;
  Evidence evidence(std::move(known));
  constexpr int kSteps = 12;
  const double lowest = std::log(kSmallestSigma);
  const double width = (std::log(kLargestSigma) - lowest) / kSteps;
  int best = 0;
  double best_value = evidence.at(lowest);
  for (int i = 1; i <= kSteps; ++i) {
    const double value = evidence.at(lowest + i * width);
    if (value > best_value + 1e-9) best = i, best_value = value;
  }
  // Golden section between the neighbours of the best grid point.
  constexpr double kGolden = 0.6180339887498949;
  double from = lowest + std::max(best - 1, 0) * width;
  double to = lowest + std::min(best + 1, kSteps) * width;
  double left = to - kGolden * (to - from), right = from + kGolden * (to - from);
  double at_left = evidence.at(left), at_right = evidence.at(right);
  while (to - from > 0.02) {
    if (at_left >= at_right) {
      to = right, right = left, at_right = at_left;
      at_left = evidence.at(left = to - kGolden * (to - from));
    } else {
      from = left, left = right, at_left = at_right;
      at_right = evidence.at(right = from + kGolden * (to - from));
    }
  }
  return std::exp((from + to) / 2);
}

// Newton on the profile of e, at which the utilities have their best values û: as the prior's and
// the rankings' gradients cancel there, it has the slope lengthᵀû/σ² and the curvature
// lengthᵀ(I/σ² − C⁻¹/σ⁴)length, C being the precision of the utilities.
double estimate_length_effect(std::vector<RankingSet> sets, double sigma) {
  constexpr int kMostSteps = 30;
  constexpr double kLongestStep = 1, kLastStep = 1e-4;
  const double precision = 1 / (sigma * sigma);
  std::vector<std::vector<double>> means(sets.size());
  double effect = 0, step = kLongestStep;
  for (int n = 0; n < kMostSteps && std::abs(step) > kLastStep; ++n) {
    double slope = -effect, curvature = 1;  // of the prior
    for (size_t s = 0; s < sets.size(); ++s) {
      RankingSet& set = sets[s];
      set.length_effects.assign(set.rankings.size(), effect);
      Posterior posterior = fit(set, sigma, std::move(means[s]));
      const double deviation = precision * posterior.deviation_of(set.lengths);
      slope += precision * dot(set.lengths, posterior.mean);
      curvature += precision * dot(set.lengths, set.lengths) - deviation * deviation;
      means[s] = std::move(posterior.mean);
    }
    step = std::clamp(slope / curvature, -kLongestStep, kLongestStep);
    effect += step;
  }
  return effect;
}

JudgeScale estimate_judge_scale(std::vector<RankingSet> sets) {
  constexpr int kTurns = 2;
  JudgeScale scale{.sigma = estimate_sigma(sets), .length_effect = 0};
  const bool has_lengths = std::any_of(
      sets.begin(), sets.end(), [](const RankingSet& set) { return !set.lengths.empty(); });
  if (!has_lengths) return scale;
  for (int n = 0; n < kTurns; ++n) {
    scale.length_effect = estimate_length_effect(sets, scale.sigma);
    for (RankingSet& set : sets) {
      set.length_effects.assign(set.rankings.size(), scale.length_effect);
    }
    scale.sigma = estimate_sigma(sets);
  }
  return scale;
}

JudgeScales estimate_judge_scales(const std::vector<std::vector<RankingSet>>& sets) {
  JudgeScales all{.sigma = kSmallestSigma, .scales = {}, .length_effects = {}};
  for (const std::vector<RankingSet>& of_judge : sets) {
    const JudgeScale scale = estimate_judge_scale(of_judge);
    all.scales.push_back(scale.sigma);
    all.length_effects.push_back(scale.length_effect);
    all.sigma = std::max(all.sigma, scale.sigma);
  }
  for (double& scale : all.scales) scale /= all.sigma;
  return all;
}

}  // namespace thoughtrank
