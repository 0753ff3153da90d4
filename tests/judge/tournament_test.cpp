#include "judge/tournament.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "judge/strategies.h"

namespace thoughtrank {
namespace {

std::vector<size_t> numbers(size_t count) {
  std::vector<size_t> items(count);
  for (size_t i = 0; i < count; ++i) items[i] = i;
  return items;
}

TEST(RandomGroups, hold_each_item_once_in_even_groups) {
  const std::vector<int64_t> tokens(62, 10);
  const auto groups = random_groups(numbers(62), tokens, 8, 1000, RandomStream(1, "test"));
  ASSERT_EQ(groups.size(), 8u);
  std::multiset<size_t> seen;
  for (const Group& group : groups) {
    EXPECT_GE(group.size(), 7u);
    EXPECT_LE(group.size(), 8u);
    seen.insert(group.begin(), group.end());
  }
  const auto all = numbers(62);
  EXPECT_TRUE(std::equal(seen.begin(), seen.end(), all.begin(), all.end()));
}

TEST(RandomGroups, keep_within_the_token_bound_and_leave_nobody_alone) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RandomStream random(seed, "sizes");
    std::vector<int64_t> tokens(3 + random.below(60));
    for (int64_t& count : tokens) count = 1 + static_cast<int64_t>(random.below(250));
    const auto groups =
        random_groups(numbers(tokens.size()), tokens, 8, 1000, RandomStream(seed, "test"));
    std::set<size_t> seen;
    for (const Group& group : groups) {
      EXPECT_GE(group.size(), 2u);
      int64_t total = 0;
      for (const size_t item : group) total += tokens[item];
      EXPECT_LE(total, 1000);
      seen.insert(group.begin(), group.end());
    }
    EXPECT_EQ(seen.size(), tokens.size());
  }
}

TEST(RandomGroups, depend_on_the_stream_only) {
  const std::vector<int64_t> tokens(20, 1);
  const auto first = random_groups(numbers(20), tokens, 8, 100, RandomStream(1, "a"));
  EXPECT_EQ(first, random_groups(numbers(20), tokens, 8, 100, RandomStream(1, "a")));
  EXPECT_NE(first, random_groups(numbers(20), tokens, 8, 100, RandomStream(2, "a")));
}

TEST(SchemeCost, of_the_recipe_is_20_calls) {
  EXPECT_EQ(scheme_cost(62, {}).calls, 20);
  EXPECT_EQ(scheme_cost(62, {}).reads, 137);
  EXPECT_EQ(scheme_cost(8, {}).calls, 6);
  EXPECT_EQ(scheme_cost(2, {.finals = 0}).calls, 1);
  EXPECT_EQ(scheme_cost(1, {}).calls, 0);
}

TEST(Tournament, finds_a_good_winner_for_few_calls) {
  constexpr uint64_t kTrials = 300;
  const TrialOptions options{.trials = kTrials};
  const Campaign campaign = run_ours(options, {});
  EXPECT_GT(campaign.sigma, 0.8);
  double regret = 0;
  int most_calls = 0, most_reads = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const Pick& pick = campaign.picks[trial];
    regret += answers_of_trial(options, trial).regret(pick.winner) / kTrials;
    most_calls = std::max(most_calls, pick.calls);
    most_reads = std::max(most_reads, pick.reads);
  }
  RecordProperty("regret", std::to_string(regret));
  EXPECT_LE(regret, 0.15);
  EXPECT_LE(most_calls, 20);
  EXPECT_LE(most_reads, 140);
}

// What the winners of `kLengthTrials` prompts are: {regret, length in deviations}, means.
std::pair<double, double> winners_of(double length_weight, bool has_length_control) {
  constexpr uint64_t kLengthTrials = 128;
  const TrialOptions options{.trials = kLengthTrials,
                             .judge = {.temperature = 0.5, .length_weight = length_weight},
                             .has_length_control = has_length_control};
  const Campaign campaign = run_ours(options, {});
  double regret = 0, length = 0;
  for (uint64_t trial = 0; trial < kLengthTrials; ++trial) {
    const SimulatedAnswers answers = answers_of_trial(options, trial);
    regret += answers.regret(campaign.picks[trial].winner) / kLengthTrials;
    length += answers.length[campaign.picks[trial].winner] / kLengthTrials;
  }
  return {regret, length};
}

TEST(Tournament, length_control_takes_a_liking_for_length_out) {
  const auto [plain_regret, plain_length] = winners_of(/*length_weight=*/1, false);
  const auto [regret, length] = winners_of(/*length_weight=*/1, true);
  EXPECT_GT(plain_length, 1);
  EXPECT_LT(std::abs(length), 0.3);
  EXPECT_LT(regret, plain_regret / 2);
  const auto [fair_regret, fair_length] = winners_of(/*length_weight=*/0, true);
  EXPECT_LT(fair_regret, 0.2) << "it costs a fair judge little";
}

TEST(Tournament, a_coin_flip_trains_on_nothing) {
  const JudgeCharacter coin{.position_bias = 0, .quality_weight = 0};
  const Campaign campaign = run_ours({.trials = 64, .judge = coin}, {});
  EXPECT_LT(campaign.sigma, kUselessSigma);
  for (const Pick& pick : campaign.picks) EXPECT_FALSE(pick.is_trained);
}

}  // namespace
}  // namespace thoughtrank
