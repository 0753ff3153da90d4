#include "thoughtrank/rank/posterior_regret.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include "thoughtrank/rank/statistics.h"

namespace thoughtrank {
namespace {

TEST(PosteriorRegret, probabilities_agree_with_a_two_item_normal) {
  const Posterior posterior = fit({.items = 2, .rankings = {{0, 1}, {0, 1}, {0, 1}}}, 1.0);
  const double gap = posterior.mean[0] - posterior.mean[1];
  const double p = 0.5 * std::erfc(-gap / posterior.deviation_of({1, -1}) / std::numbers::sqrt2);
  const PosteriorRegret regret = posterior_regret(posterior, 0, RandomStream(1, "test"));
  EXPECT_NEAR(regret.p_best[0], p, 0.05);
  EXPECT_NEAR(regret.p_best[0] + regret.p_best[1], 1, 1e-9);
  EXPECT_NEAR(confidence_over_average(posterior, 0, {0.5, 0.5}), p, 1e-9);
  EXPECT_GT(posterior_regret(posterior, 1, RandomStream(1, "test")).expected, regret.expected);
}

// E[max(0, x)] of the gap x ~ N(m, d²) is m·Φ(m/d) + d·φ(m/d).
TEST(PosteriorRegret, of_two_items_is_the_expected_positive_gap) {
  const Posterior posterior = fit({.items = 2, .rankings = {{0, 1}, {0, 1}}}, 1.0);
  const double deviation = posterior.deviation_of({1, -1});
  const double z = (posterior.mean[1] - posterior.mean[0]) / deviation;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  const double below = 0.5 * std::erfc(-z / std::numbers::sqrt2);
  const double expected = deviation * (z * below + density);
  EXPECT_NEAR(posterior_regret(posterior, 0, RandomStream(3, "test")).expected, expected, 0.1);
}

// Items 0 to 2 are alike and far above the others: each may be the best, yet any will do.
TEST(PosteriorRegret, as_a_share_is_low_for_one_of_several_that_are_equally_good) {
  RankingSet set{.items = 6, .rankings = {}};
  for (int n = 0; n < 6; ++n) {
    set.rankings.insert(set.rankings.end(),
                        {{0, 1, 2, 3, 4, 5}, {2, 0, 1, 5, 3, 4}, {1, 2, 0, 4, 5, 3}});
  }
  const Posterior posterior = fit(set, 2.0);
  const PosteriorRegret good = posterior_regret(posterior, 0, RandomStream(1, "test"));
  const PosteriorRegret bad = posterior_regret(posterior, 3, RandomStream(1, "test"));
  EXPECT_LT(good.share, 0.15);
  EXPECT_LT(good.p_best[0], 0.6);
  EXPECT_EQ(bad.share, 1) << "worse than an average one";
  // Beside an average of good ones it promises less.
  const PosteriorRegret beside =
      posterior_regret(posterior, 0, RandomStream(1, "test"), {0.3, 0.3, 0.4, 0, 0, 0});
  EXPECT_EQ(beside.expected, good.expected);
  EXPECT_GT(beside.share, 2 * good.share);
}

TEST(PosteriorRegret, of_a_guessing_judge_is_nearly_all_there_is) {
  RandomStream random(3, "guesses");
  RankingSet set{.items = 20, .rankings = {}};
  for (int n = 0; n < 10; ++n) {
    Ranking ranking(20);
    std::iota(ranking.begin(), ranking.end(), size_t{0});
    random.shuffle(ranking);
    set.rankings.push_back(ranking);
  }
  const Posterior posterior = fit(set, kSmallestSigma);
  const PosteriorRegret regret =
      posterior_regret(posterior, by_mean(posterior)[0], RandomStream(1, "test"));
  EXPECT_GT(regret.share, 0.8);
}

TEST(PosteriorRegret, samples_have_the_posteriors_mean_and_deviation) {
  const Posterior posterior = fit({.items = 3, .rankings = {{0, 1, 2}, {0, 2, 1}}}, 1.0);
  RandomStream random(5, "samples");
  constexpr int kSamples = 20000;
  double sum = 0, squares = 0;
  for (int n = 0; n < kSamples; ++n) {
    const std::vector<double> utilities = sample_utilities(posterior, random);
    const double gap = utilities[0] - utilities[2];
    sum += gap / kSamples;
    squares += gap * gap / kSamples;
  }
  EXPECT_NEAR(sum, posterior.mean[0] - posterior.mean[2], 0.05);
  EXPECT_NEAR(std::sqrt(squares - sum * sum), posterior.deviation_of({1, 0, -1}), 0.05);
}

TEST(PosteriorRegret, thompson_samples_are_different_items_filled_up_by_mean) {
  const RankingSet clear{.items = 5, .rankings = std::vector<Ranking>(30, {4, 3, 2, 1, 0})};
  const Posterior posterior = fit(clear, 8.0);
  EXPECT_EQ(by_mean(posterior), (std::vector<size_t>{4, 3, 2, 1, 0}));
  const auto items = thompson_sample(posterior, 4, RandomStream(1, "test"));
  EXPECT_EQ(items.size(), 4u);
  EXPECT_EQ(items[0], 4u);
  EXPECT_EQ(std::set<size_t>(items.begin(), items.end()).size(), 4u);
  EXPECT_EQ(thompson_sample(posterior, 9, RandomStream(1, "test")).size(), 5u) << "all there are";
}

TEST(PosteriorRegret, equal_items_are_ordered_by_index_and_nobody_is_confident) {
  const Posterior posterior = fit({.items = 3, .rankings = {}}, 1.0);
  EXPECT_EQ(by_mean(posterior), (std::vector<size_t>{0, 1, 2}));
  EXPECT_NEAR(confidence_over_average(posterior, 1, {0.2, 0.3, 0.5}), 0.5, 1e-9);
  EXPECT_EQ(confidence_over_average(fit({.items = 1, .rankings = {}}, 1.0), 0, {1}), 0.5)
      << "the only item beside itself";
}

TEST(Statistics, agree_with_hand_computed_values) {
  EXPECT_EQ(kendall_tau({1, 2, 3}, {1, 2, 3}), 1);
  EXPECT_EQ(kendall_tau({1, 2, 3}, {3, 2, 1}), -1);
  EXPECT_NEAR(kendall_tau({1, 2, 3, 4}, {2, 1, 3, 4}), 4.0 / 6, 1e-12);
  EXPECT_NEAR(spearman({1, 2, 3, 4}, {10, 20, 40, 30}), 0.8, 1e-12);
  EXPECT_NEAR(spearman({1, 2, 2, 3}, {1, 2, 3, 4}), 0.9486832980505138, 1e-12);
  EXPECT_EQ(spearman({1, 1, 1}, {1, 2, 3}), 0);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(Statistics, a_mean_knows_its_error_and_whether_it_is_clear) {
  Mean mean;
  EXPECT_EQ(mean.value(), 0);
  EXPECT_TRUE(mean.to_json().is_null());
  for (const double value : {1.0, 2.0, 3.0, 2.0}) mean.add(value);
  EXPECT_EQ(mean.count(), 4);
  EXPECT_EQ(mean.value(), 2);
  EXPECT_NEAR(mean.error(), std::sqrt(2.0 / 3 / 4), 1e-12);
  EXPECT_TRUE(mean.is_clear());
  EXPECT_FALSE(mean.is_clear(/*sigmas=*/10));
}

}  // namespace
}  // namespace thoughtrank
