// The ranking scheme as a whole against simulated judges: how good its winners are, and what they
// cost.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "judge/strategies.h"

namespace thoughtrank {
namespace {

TEST(Scheme, finds_a_good_winner_for_few_calls) {
  constexpr uint64_t kTrials = 300;
  const TrialOptions options{.trials = kTrials};
  const Campaign campaign = run_ours(options, {});
  EXPECT_GT(campaign.sigma, 0.8);
  double regret = 0, calls = 0;
  int most_calls = 0, most_reads = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const Pick& pick = campaign.picks[trial];
    regret += answers_of_trial(options, trial).regret(pick.winner) / kTrials;
    calls += pick.calls / double{kTrials};
    most_calls = std::max(most_calls, pick.calls);
    most_reads = std::max(most_reads, pick.reads);
  }
  RecordProperty("regret", std::to_string(regret));
  EXPECT_LE(regret, 0.07);
  EXPECT_LE(calls, 24);
  EXPECT_LE(most_calls, scheme_cost(62, {}).calls);
  EXPECT_LE(most_reads, scheme_cost(62, {}).reads);
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

TEST(Scheme, length_control_takes_a_liking_for_length_out) {
  const auto [plain_regret, plain_length] = winners_of(/*length_weight=*/1, false);
  const auto [regret, length] = winners_of(/*length_weight=*/1, true);
  EXPECT_GT(plain_length, 1);
  EXPECT_LT(std::abs(length), 0.3);
  EXPECT_LT(regret, plain_regret / 2);
  const auto [fair_regret, fair_length] = winners_of(/*length_weight=*/0, true);
  EXPECT_LT(fair_regret, 0.2) << "it costs a fair judge little";
}

// Which of several right answers wins does not matter, and the regret in sigma never falls.
TEST(Scheme, of_equally_good_answers_one_is_trained_on) {
  constexpr uint64_t kTrials = 100;
  const TrialOptions options{.answers = 50,
                             .trials = kTrials,
                             .judge = {.temperature = 0.3, .position_bias = 0},
                             .share_right = 0.2};
  const Campaign campaign = run_ours(options, {});
  int with_right = 0, right = 0, trained = 0, trained_right = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const SimulatedAnswers answers = answers_of_trial(options, trial);
    const Pick& pick = campaign.picks[trial];
    const bool is_right = answers.quality[pick.winner] == 1;
    with_right += answers.quality[answers.best()] == 1 ? 1 : 0;
    right += is_right ? 1 : 0;
    trained += pick.is_trained ? 1 : 0;
    trained_right += pick.is_trained && is_right ? 1 : 0;
  }
  EXPECT_GT(right, 0.9 * with_right);
  EXPECT_GT(trained_right, 0.8 * right);
  EXPECT_GT(trained_right, 0.9 * trained);
}

TEST(Scheme, a_coin_flip_trains_on_nothing) {
  const JudgeCharacter coin{.position_bias = 0, .quality_weight = 0};
  const Campaign campaign = run_ours({.trials = 64, .judge = coin}, {});
  EXPECT_LT(campaign.sigma, kUselessSigma);
  for (const Pick& pick : campaign.picks) EXPECT_FALSE(pick.is_trained);
}

}  // namespace
}  // namespace thoughtrank
