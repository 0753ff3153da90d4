#include "thoughtrank/rank/plackett_luce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

double log_prior(const std::vector<double>& u, double sigma) {
  double sum = 0;
  for (const double x : u) {
    sum -= 0.5 * x * x / (sigma * sigma) + std::log(sigma * std::sqrt(2 * std::numbers::pi));
  }
  return sum;
}

// The integral of prior × likelihood over a fine grid of two utilities.
double brute_force_log_evidence(const RankingSet& set, double sigma) {
  constexpr int kPoints = 400;
  const double width = 12 * sigma / kPoints;
  double sum = 0;
  for (int i = 0; i < kPoints; ++i) {
    for (int j = 0; j < kPoints; ++j) {
      const std::vector<double> u = {-6 * sigma + (i + 0.5) * width,
                                     -6 * sigma + (j + 0.5) * width};
      sum += std::exp(log_likelihood(set, u) + log_prior(u, sigma)) * width * width;
    }
  }
  return std::log(sum);
}

TEST(PlackettLuce, likelihood_of_one_ranking_is_the_product_of_its_picks) {
  const RankingSet set{.items = 3, .rankings = {{2, 0, 1}}};
  const std::vector<double> u = {0.5, -1.0, 2.0};
  const double a = std::exp(0.5), b = std::exp(-1.0), c = std::exp(2.0);
  EXPECT_NEAR(log_likelihood(set, u), std::log(c / (a + b + c)) + std::log(a / (a + b)), 1e-12);
}

TEST(PlackettLuce, fit_is_the_maximum_that_a_grid_search_finds) {
  const RankingSet set{.items = 2, .rankings = {{0, 1}, {0, 1}, {1, 0}, {0, 1}}};
  const double sigma = 1.3;
  const Posterior posterior = fit(set, sigma);
  double best = -1e9, best_a = 0, best_b = 0;
  for (int i = -2000; i <= 2000; ++i) {
    const double a = i / 1000.0;  // by symmetry the maximum has u_1 = −u_0
    const double value = log_likelihood(set, {a, -a}) + log_prior({a, -a}, sigma);
    if (value > best) best = value, best_a = a, best_b = -a;
  }
  EXPECT_NEAR(posterior.mean[0], best_a, 2e-3);
  EXPECT_NEAR(posterior.mean[1], best_b, 2e-3);
}

TEST(PlackettLuce, gradient_vanishes_at_the_fit) {
  RandomStream random(7, "test");
  RankingSet set{.items = 12, .rankings = {}};
  for (int n = 0; n < 9; ++n) {
    Ranking ranking(set.items);
    for (size_t i = 0; i < set.items; ++i) ranking[i] = i;
    random.shuffle(ranking);
    ranking.resize(2 + random.below(7));
    set.rankings.push_back(ranking);
  }
  const double sigma = 0.8, step = 1e-5;
  const Posterior posterior = fit(set, sigma);
  for (size_t i = 0; i < set.items; ++i) {
    std::vector<double> up = posterior.mean, down = posterior.mean;
    up[i] += step, down[i] -= step;
    const double slope = (log_likelihood(set, up) + log_prior(up, sigma) -
                          log_likelihood(set, down) - log_prior(down, sigma)) /
                         (2 * step);
    EXPECT_NEAR(slope, 0, 1e-5) << "item " << i;
  }
}

TEST(PlackettLuce, laplace_evidence_is_close_to_the_integral) {
  const RankingSet set{.items = 2, .rankings = {{0, 1}, {1, 0}, {0, 1}, {0, 1}, {0, 1}}};
  for (const double sigma : {0.3, 1.0, 2.0}) {
    EXPECT_NEAR(fit(set, sigma).log_evidence, brute_force_log_evidence(set, sigma), 0.1) << sigma;
  }
}

TEST(PlackettLuce, items_without_a_ranking_keep_the_prior) {
  const Posterior posterior = fit({.items = 4, .rankings = {{0, 1}, {0, 1}}}, 1.5);
  EXPECT_EQ(posterior.mean[2], 0);
  EXPECT_NEAR(posterior.deviation_of({0, 0, 1, 0}), 1.5, 1e-9);
  EXPECT_LT(posterior.deviation_of({1, 0, 0, 0}), 1.5);
  EXPECT_GT(posterior.mean[0], 0);
  EXPECT_LT(posterior.mean[1], 0);
}

TEST(PlackettLuce, fit_survives_a_judge_that_never_contradicts_itself) {
  RankingSet set{.items = 62, .rankings = {}};
  for (int n = 0; n < 20; ++n) {
    Ranking all(62);
    for (size_t i = 0; i < 62; ++i) all[i] = i;
    set.rankings.push_back(all);
  }
  const Posterior posterior = fit(set, kLargestSigma);
  for (size_t i = 0; i + 1 < 62; ++i) EXPECT_GT(posterior.mean[i], posterior.mean[i + 1]);
}

// Rankings of 8 of `items` by softmax picks with utilities N(0, sigma²).
std::vector<RankingSet> simulated_sets(double sigma, size_t prompts, RandomStream random) {
  std::vector<RankingSet> sets;
  for (size_t p = 0; p < prompts; ++p) {
    RankingSet set{.items = 24, .rankings = {}};
    std::vector<double> u(set.items);
    for (double& value : u) value = sigma * random.normal();
    for (int call = 0; call < 6; ++call) {
      std::vector<std::pair<double, size_t>> drawn;
      for (size_t i = 0; i < set.items; ++i) {
        drawn.emplace_back(-(u[i] - std::log(-std::log(1 - random.uniform()))), i);
      }
      random.shuffle(drawn);
      drawn.resize(8);
      std::sort(drawn.begin(), drawn.end());
      Ranking ranking;
      for (const auto& [key, item] : drawn) ranking.push_back(item);
      set.rankings.push_back(ranking);
    }
    sets.push_back(set);
  }
  return sets;
}

TEST(PlackettLuce, sigma_is_recovered_and_vanishes_for_a_guessing_judge) {
  EXPECT_NEAR(estimate_sigma(simulated_sets(1.0, 16, RandomStream(1, "one"))), 1.0, 0.2);
  EXPECT_NEAR(estimate_sigma(simulated_sets(2.0, 16, RandomStream(2, "two"))), 2.0, 0.5);
  EXPECT_LT(estimate_sigma(simulated_sets(0.0, 16, RandomStream(3, "none"))), 0.2);
  EXPECT_EQ(estimate_sigma({}), kSmallestSigma);
}

TEST(PlackettLuce, a_judge_of_half_the_scale_is_recognised) {
  const JudgeScales scale =
      estimate_judge_scales({simulated_sets(1.0, 32, RandomStream(1, "sharp")),
                             simulated_sets(2.0, 32, RandomStream(2, "sharper"))});
  EXPECT_NEAR(scale.sigma, 2.0, 0.4);
  EXPECT_NEAR(scale.scales[0], 0.5, 0.1);
  EXPECT_EQ(scale.scales[1], 1);
}

TEST(PlackettLuce, a_scale_scales_the_utilities) {
  const RankingSet plain{.items = 3, .rankings = {{2, 0, 1}, {0, 1}}};
  RankingSet half = plain;
  half.scales = {0.5, 0.5};
  EXPECT_NEAR(
      log_likelihood(half, {1.0, -2.0, 4.0}), log_likelihood(plain, {0.5, -1.0, 2.0}), 1e-12);
  // Half the scale under twice the deviation is the same fit in other units.
  const Posterior a = fit(plain, 0.7), b = fit(half, 1.4);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(b.mean[i], 2 * a.mean[i], 1e-6);
  EXPECT_NEAR(b.deviation_of({1, -1, 0}), 2 * a.deviation_of({1, -1, 0}), 1e-6);
  EXPECT_NEAR(a.log_evidence, b.log_evidence, 1e-6);
}

// `length_effect` is what a deviation of length is worth to the judge; lengths know nothing of `u`.
std::vector<RankingSet> sets_with_lengths(double length_effect, size_t prompts) {
  std::vector<RankingSet> sets;
  RandomStream random(9, "lengths");
  for (size_t p = 0; p < prompts; ++p) {
    RankingSet set{.items = 24, .rankings = {}};
    std::vector<double> u(set.items);
    for (double& value : u) value = random.normal();
    for (size_t i = 0; i < set.items; ++i) set.lengths.push_back(random.normal());
    for (int call = 0; call < 6; ++call) {
      std::vector<std::pair<double, size_t>> drawn;
      for (size_t i = 0; i < set.items; ++i) {
        const double gumbel = -std::log(-std::log(1 - random.uniform()));
        drawn.emplace_back(-(u[i] + length_effect * set.lengths[i] + gumbel), i);
      }
      random.shuffle(drawn);
      drawn.resize(8);
      std::sort(drawn.begin(), drawn.end());
      Ranking ranking;
      for (const auto& [key, item] : drawn) ranking.push_back(item);
      set.rankings.push_back(ranking);
    }
    sets.push_back(set);
  }
  return sets;
}

TEST(LengthControl, recovers_sigma_and_what_length_is_worth) {
  for (const double effect : {-1.0, 0.0, 2.0}) {
    const JudgeScale scale = estimate_judge_scale(sets_with_lengths(effect, 16));
    EXPECT_NEAR(scale.length_effect, effect, 0.2);
    EXPECT_NEAR(scale.sigma, 1, 0.25) << effect;
  }
  std::vector<RankingSet> without = sets_with_lengths(2, 16);
  for (RankingSet& set : without) set.lengths.clear();
  const JudgeScale scale = estimate_judge_scale(without);
  EXPECT_EQ(scale.length_effect, 0);
  EXPECT_GT(scale.sigma, 1.7) << "length is taken for quality";
}

TEST(LengthControl, the_estimate_is_the_top_of_its_profile) {
  const std::vector<RankingSet> sets = sets_with_lengths(1, 4);
  const double effect = estimate_length_effect(sets, 1);
  const auto best_at = [&](double e) {  // log posterior of e at the best utilities
    double sum = -0.5 * e * e;
    for (RankingSet set : sets) {
      set.length_effects.assign(set.rankings.size(), e);
      const Posterior posterior = fit(set, 1);
      sum += log_likelihood(set, posterior.mean) + log_prior(posterior.mean, 1);
    }
    return sum;
  };
  EXPECT_GT(best_at(effect), best_at(effect + 0.01));
  EXPECT_GT(best_at(effect), best_at(effect - 0.01));
}

}  // namespace
}  // namespace thoughtrank
