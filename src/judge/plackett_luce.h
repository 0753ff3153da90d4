// The Plackett–Luce model of rankings with a normal prior: item i has a utility u_i ~ N(0, σ²), and
// a ranking picks each next item with probability softmax(u) over those left. fit() finds the MAP
// utilities by damped Newton with the full Hessian and the Laplace approximation around them; σ is
// estimated by maximising the Laplace evidence over many prompts, so that a judge that guesses
// shows σ → 0. Rankings may hold any subset of the items; nothing is filled in.
#pragma once

#include <cstddef>
#include <vector>

#include "judge/cholesky.h"

namespace thoughtrank {

using Ranking = std::vector<size_t>;  // items, best first

// All valid rankings of one prompt.
struct RankingSet {
  size_t items = 0;
  std::vector<Ranking> rankings;
};

// N(mean, precision⁻¹) and the log evidence of the rankings under the prior deviation used.
struct Posterior {
  std::vector<double> mean;  // (items)
  Cholesky precision;
  double log_evidence;
  // sqrt(cᵀ precision⁻¹ c): the deviation of the weighted sum c·u.
  [[nodiscard]] double deviation_of(std::vector<double> contrast) const;
};

// `start`: where Newton begins, (items); empty: at zero.
[[nodiscard]] Posterior fit(const RankingSet& set, double sigma, std::vector<double> start = {});

// log p(ranking | utilities) summed over the set.
[[nodiscard]] double log_likelihood(const RankingSet& set, const std::vector<double>& utilities);

inline constexpr double kLowestSigma = 0.05;
inline constexpr double kHighestSigma = 8.0;

// σ of [kLowestSigma, kHighestSigma] with the greatest evidence over all sets; the lowest where
// nothing is known.
[[nodiscard]] double estimate_sigma(const std::vector<RankingSet>& sets);

}  // namespace thoughtrank
