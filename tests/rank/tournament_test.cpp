#include "thoughtrank/rank/tournament.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "rank/simulated_judge.h"
#include "thoughtrank/rank/posterior_regret.h"

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

TEST(SchemeCost, of_the_recipe_is_27_calls_at_most) {
  EXPECT_EQ(scheme_cost(62, {}).calls, 27);
  EXPECT_EQ(scheme_cost(62, {}).reads, 165);
  EXPECT_EQ(scheme_cost(8, {}).calls, 13);
  EXPECT_EQ(scheme_cost(2, {.finals = 0}).calls, 1);
  EXPECT_EQ(scheme_cost(1, {}).calls, 0);
}

constexpr StreamKey kKey{.seed = 1, .round = 1, .prompt = 2};

// Ranks every group of the stage by falling number of the item.
void rank_by_number(Tournament& tournament, const TournamentStage& stage) {
  for (Group group : stage.groups) {
    std::sort(group.rbegin(), group.rend());
    tournament.add(group);
  }
}

TEST(Tournament, shows_every_item_once_and_then_keeps_the_better_half) {
  Tournament tournament(std::vector<int64_t>(40, 10), {}, kKey);
  const TournamentStage first = tournament.pass_a();
  EXPECT_EQ(first.step, TournamentStep::pass_a);
  size_t shown = 0;
  for (const Group& group : first.groups) shown += group.size();
  EXPECT_EQ(shown, 40u);
  EXPECT_FALSE(tournament.is_ready_for_finals());
  rank_by_number(tournament, first);
  const TournamentStage half = tournament.halve();
  EXPECT_EQ(half.step, TournamentStep::halve);
  std::set<size_t> kept;
  for (const Group& group : half.groups) kept.insert(group.begin(), group.end());
  EXPECT_EQ(kept.size(), 20u);
  EXPECT_TRUE(kept.contains(39)) << "first in its group";
  EXPECT_FALSE(kept.contains(0)) << "last in its group";
}

TEST(Tournament, its_finals_end_when_the_winner_is_clear_or_the_budget_is_spent) {
  const auto finals_of = [](int64_t budget, const auto& rank) {
    Tournament tournament(std::vector<int64_t>(6, 10), {.finals = budget}, kKey);
    rank(tournament, tournament.pass_a());
    EXPECT_TRUE(tournament.is_ready_for_finals());
    int finals = 0;
    for (auto stage = tournament.next_final({}); !stage.groups.empty();
         stage = tournament.next_final({})) {
      EXPECT_EQ(stage.groups.size(), 1u);
      EXPECT_LE(stage.groups[0].size(), 4u);
      rank(tournament, stage);
      ++finals;
    }
    return finals;
  };
  EXPECT_EQ(finals_of(0, rank_by_number), 0);
  EXPECT_EQ(finals_of(3, rank_by_number), 3);
  const int clear = finals_of(64, rank_by_number);
  EXPECT_GT(clear, 3);
  EXPECT_LT(clear, 64) << "the best is known long before";
}

TEST(Tournament, a_final_holds_what_fits_but_two_at_least) {
  Tournament tournament(std::vector<int64_t>(4, 100), {.max_tokens = 150}, kKey);
  rank_by_number(tournament, tournament.pass_a());
  const TournamentStage final = tournament.next_final({});
  ASSERT_EQ(final.groups.size(), 1u);
  EXPECT_EQ(final.groups[0].size(), 2u);
}

TEST(Tournament, keeps_the_judges_apart) {
  Tournament tournament(std::vector<int64_t>(3, 1), {}, kKey, {-1, 0, 1});
  tournament.add({0, 1, 2}, 0);
  tournament.add({2, 1, 0}, 1);
  tournament.add({1, 0}, 0);
  EXPECT_EQ(tournament.rankings().rankings.size(), 3u);
  const RankingSet mine = tournament.rankings_of(0);
  EXPECT_EQ(mine.rankings, (std::vector<Ranking>{{0, 1, 2}, {1, 0}}));
  EXPECT_EQ(mine.lengths, (std::vector<double>{-1, 0, 1}));
  EXPECT_TRUE(tournament.rankings_of(2).rankings.empty());
}

TEST(Tournament, of_a_simulated_judge_finds_one_of_the_best_for_no_more_calls_than_planned) {
  constexpr size_t kItems = 30;
  double regret = 0;
  constexpr uint64_t kTrials = 20;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const SimulatedAnswers answers(kItems, RandomStream(trial, "answers"));
    SimulatedJudge judge(answers, {}, RandomStream(trial, "judge"));
    Tournament tournament(std::vector<int64_t>(kItems, 1), {}, {.seed = trial});
    TournamentStage stage = tournament.pass_a();
    while (!stage.groups.empty()) {
      for (const Group& group : stage.groups) tournament.add(judge.rank(group));
      stage = tournament.is_ready_for_finals() ? tournament.next_final({}) : tournament.halve();
    }
    EXPECT_LE(judge.calls, scheme_cost(kItems, {}).calls);
    EXPECT_LE(judge.reads, scheme_cost(kItems, {}).reads);
    regret += answers.regret(by_mean(fit(tournament.rankings(), 1))[0]) / kTrials;
  }
  EXPECT_LT(regret, 0.3);
}

}  // namespace
}  // namespace thoughtrank
