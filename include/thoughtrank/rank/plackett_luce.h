// The Plackett–Luce model of rankings with a normal prior: item i has a utility u_i ~ N(0, σ²), and
// a ranking picks each next item with probability softmax(u) over those left. fit() finds the MAP
// utilities by damped Newton with the full Hessian and the Laplace approximation around them; σ is
// estimated by maximising the Laplace evidence over many prompts, so that a judge that guesses
// shows σ → 0. Rankings may hold any subset of the items; nothing is filled in.
//
// Length control: where `lengths` are given, a judge of length effect e sees u_i + e·length_i, with
// the prior e ~ N(0, 1), one for all its prompts; utilities are then what it likes at equal length.
// After length-controlled AlpacaEval (Dubois et al. 2024, arXiv 2404.04475), where a length term of
// the fit is set to zero.
#pragma once

#include <cstddef>
#include <vector>

#include "thoughtrank/rank/cholesky.h"

namespace thoughtrank {

using Ranking = std::vector<size_t>;  // items, best first

// All valid rankings of one prompt. A judge of scale s sees the utilities s·u: rankings of a judge
// that guesses more weigh less.
struct RankingSet {
  size_t items = 0;
  std::vector<Ranking> rankings;
  std::vector<double> scales = {};   // scale of each ranking's judge; empty: all 1
  std::vector<double> lengths = {};  // (items) standardised lengths; empty: no length control
  std::vector<double> length_effects = {};  // effect on each ranking's judge; empty: all 0
};

// N(mean, precision⁻¹) and the log evidence of the rankings under the prior deviation used.
struct Posterior {
  std::vector<double> mean;  // (items)
  Cholesky precision;
  double log_evidence;
  // sqrt(cᵀ precision⁻¹ c): the deviation of the weighted sum c·u.
  [[nodiscard]] double deviation_of(std::vector<double> contrast) const;
};

// Newton begins at `start`, (items), or at zero where it is empty.
[[nodiscard]] Posterior fit(const RankingSet& set, double sigma, std::vector<double> start = {});

// log p(ranking | utilities) summed over the set.
[[nodiscard]] double log_likelihood(const RankingSet& set, const std::vector<double>& utilities);

inline constexpr double kSmallestSigma = 0.05;
inline constexpr double kLargestSigma = 8.0;

// σ of [kSmallestSigma, kLargestSigma] with the greatest evidence over all sets; the lowest where
// nothing is known.
[[nodiscard]] double estimate_sigma(const std::vector<RankingSet>& sets);

// The length effect of one judge with the greatest posterior over all sets, at the utilities that
// are best with it: what a deviation of length is worth to it, in units of its noise.
[[nodiscard]] double estimate_length_effect(std::vector<RankingSet> sets, double sigma);

// One judge's σ and, where the sets have lengths, its length effect.
struct JudgeScale {
  double sigma = 1;
  double length_effect = 0;
};
[[nodiscard]] JudgeScale estimate_judge_scale(std::vector<RankingSet> sets);

// The judges of one fit: σ in units of the noise of the most consistent judge, the scale of each
// judge beside that one in (0, 1], and the length effect of each in units of its own noise.
struct JudgeScales {
  double sigma = 1;
  std::vector<double> scales = {1};         // scale of each judge
  std::vector<double> length_effects = {};  // effect on each judge; empty: all 0
};
// `sets[j]` are the rankings of judge j alone. Each judge's own σ is estimated as if it were the
// only one; its scale is its share of the largest σ.
[[nodiscard]] JudgeScales estimate_judge_scales(const std::vector<std::vector<RankingSet>>& sets);

}  // namespace thoughtrank
