#include "judge/tournament.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "judge/decision.h"

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

TEST(SchemeCost, of_the_recipe_is_19_calls) {
  EXPECT_EQ(scheme_cost(62, 8, 4).calls, 19);
  EXPECT_EQ(scheme_cost(62, 8, 4).reads, 133);
  EXPECT_EQ(scheme_cost(8, 8, 4).calls, 5);
  EXPECT_EQ(scheme_cost(2, 8, 0).calls, 1);
  EXPECT_EQ(scheme_cost(1, 8, 4).calls, 0);
}

// Simulated judge of JUDGE.md: Plackett–Luce noise that grows with the list, and a liking for early
// places.
struct SimulatedJudge {
  std::vector<double> quality;
  double temperature = 0.5;
  double position_bias = 0.4;
  RandomStream random;

  Ranking rank(Group shown) {
    random.shuffle(shown);
    const auto k = static_cast<double>(shown.size());
    const double scale = temperature * (1 + 0.15 * std::log2(k / 2));
    std::vector<std::pair<double, size_t>> drawn;
    for (size_t place = 0; place < shown.size(); ++place) {
      const double bias = position_bias * (1 - static_cast<double>(place) / (k - 1));
      const double gumbel = -std::log(-std::log(1 - random.uniform()));
      drawn.emplace_back(-(quality[shown[place]] + bias + scale * gumbel), shown[place]);
    }
    std::sort(drawn.begin(), drawn.end());
    Ranking ranking;
    for (const auto& [key, item] : drawn) ranking.push_back(item);
    return ranking;
  }
};

struct Simulated {
  double regret = 0;  // of the winner, in deviations of the true quality
  int calls = 0;
  int reads = 0;
};

// One simulated prompt: its true qualities, its judge and its tournament.
struct Trial {
  explicit Trial(uint64_t number)
      : tournament(std::vector<int64_t>(62, 1), {}, {.seed = number}),
        judge{.quality = {}, .random = RandomStream(number, "noise")} {
    RandomStream random(number, "quality");
    for (int i = 0; i < 62; ++i) judge.quality.push_back(random.normal());
  }

  void ask(const TournamentStage& stage) {
    for (const Group& group : stage.groups) {
      tournament.add(judge.rank(group));
      ++result.calls;
      result.reads += static_cast<int>(group.size());
    }
  }

  void ask_until_finals() {
    ask(tournament.pass_a());
    while (!tournament.is_ready_for_finals()) ask(tournament.halve());
  }

  void finish(double sigma) {
    for (auto stage = tournament.next_final(sigma); !stage.groups.empty();
         stage = tournament.next_final(sigma)) {
      ask(stage);
    }
    const size_t winner = by_mean(fit(tournament.rankings(), sigma))[0];
    result.regret =
        *std::max_element(judge.quality.begin(), judge.quality.end()) - judge.quality[winner];
  }

  Tournament tournament;
  SimulatedJudge judge;
  Simulated result;
};

TEST(Tournament, finds_a_good_winner_for_few_calls) {
  constexpr int kTrials = 300;
  std::vector<Trial> trials;
  std::vector<RankingSet> first;
  for (uint64_t number = 0; number < kTrials; ++number) {
    trials.emplace_back(number);
    trials.back().ask_until_finals();
    if (number < 16) first.push_back(trials.back().tournament.rankings());
  }
  const double sigma = estimate_sigma(first);
  EXPECT_GT(sigma, 0.8);
  double regret = 0, reads = 0;
  int most_calls = 0;
  for (Trial& trial : trials) {
    trial.finish(sigma);
    const Simulated& result = trial.result;
    regret += result.regret / kTrials;
    reads += static_cast<double>(result.reads) / kTrials;
    most_calls = std::max(most_calls, result.calls);
  }
  RecordProperty("regret", std::to_string(regret));
  RecordProperty("sigma", std::to_string(sigma));
  RecordProperty("reads", std::to_string(reads));
  EXPECT_LE(regret, 0.15);
  EXPECT_LE(most_calls, 20);
}

}  // namespace
}  // namespace thoughtrank
