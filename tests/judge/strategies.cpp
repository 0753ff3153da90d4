#include "judge/strategies.h"

#include <array>

#include "judge/select_prompt.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kResultPrompts = 64;  // whose rankings give σ of the result

std::vector<size_t> all_items(size_t count) {
  std::vector<size_t> items(count);
  for (size_t i = 0; i < count; ++i) items[i] = i;
  return items;
}

std::vector<Group> shuffled_groups(std::vector<size_t> items, size_t size, RandomStream& random) {
  const std::vector<int64_t> tokens(*std::max_element(items.begin(), items.end()) + 1, 1);
  const uint64_t seed = random.next_u64();
  return random_groups(std::move(items), tokens, size, 1000, RandomStream(seed, "groups"));
}

Pick pick(const SimulatedJudge& judge, size_t winner) {
  return {.winner = winner, .calls = judge.calls, .reads = judge.reads};
}

// Each match is played in both orders; one all decides by lot.
Pick knock_out(SimulatedJudge& judge, size_t answers, RandomStream random) {
  std::vector<size_t> left = all_items(answers);
  random.shuffle(left);
  while (left.size() > 1) {
    std::vector<size_t> winners;
    for (size_t i = 0; i + 1 < left.size(); i += 2) {
      const size_t first = judge.rank_shown({left[i], left[i + 1]})[0];
      const size_t second = judge.rank_shown({left[i + 1], left[i]})[0];
      winners.push_back(first == second ? first : left[i + random.below(2)]);
    }
    if (left.size() % 2 == 1) winners.push_back(left.back());
    left = std::move(winners);
  }
  return pick(judge, left[0]);
}

Pick pointwise(SimulatedJudge& judge, size_t answers, RandomStream /*random*/) {
  std::vector<double> scores;
  for (size_t i = 0; i < answers; ++i) scores.push_back(judge.score(i));
  return pick(judge,
              static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin()));
}

// RankGPT (arXiv 2304.09542): windows of 20 from the end to the front, half of each carried on.
Pick sliding_window(SimulatedJudge& judge, size_t answers, RandomStream random) {
  constexpr size_t kWindow = 20, kStep = 10;
  std::vector<size_t> order = all_items(answers);
  random.shuffle(order);
  for (size_t end = answers;; end -= kStep) {
    const size_t begin = end > kWindow ? end - kWindow : 0;
    const auto from = order.begin() + static_cast<ptrdiff_t>(begin);
    const auto to = order.begin() + static_cast<ptrdiff_t>(end);
    const Ranking ranking = judge.rank_shown(Group(from, to));
    std::copy(ranking.begin(), ranking.end(), from);
    if (begin == 0) break;
  }
  return pick(judge, order[0]);
}

Pick whole_list_three_times(SimulatedJudge& judge, size_t answers, RandomStream /*random*/) {
  RankingSet set{.items = answers, .rankings = {}};
  for (int n = 0; n < 3; ++n) set.rankings.push_back(judge.rank(all_items(answers)));
  return pick(judge, by_mean(fit(set, 1))[0]);
}

// The best 3 of each group of 8 go on until 8 are left; these meet three times.
Pick keep_three(SimulatedJudge& judge, size_t answers, RandomStream random) {
  std::vector<size_t> left = all_items(answers);
  RankingSet set{.items = answers, .rankings = {}};
  while (left.size() > 8) {
    std::vector<size_t> kept;
    for (const Group& group : shuffled_groups(left, 8, random)) {
      set.rankings.push_back(judge.rank(group));
      const Ranking& ranking = set.rankings.back();
      const auto best = ranking.begin() + std::min<ptrdiff_t>(3, std::ssize(ranking));
      kept.insert(kept.end(), ranking.begin(), best);
    }
    left = std::move(kept);
  }
  for (int n = 0; n < 3; ++n) set.rankings.push_back(judge.rank(left));
  return pick(judge, by_mean(fit(set, 1))[0]);
}

// One prompt of ours.
struct PromptTournament {
  PromptTournament(const TrialOptions& options, const TournamentOptions& scheme, uint64_t trial)
      : answers(answers_of_trial(options, trial)),
        tournament(std::vector<int64_t>(options.answers, 1),
                   scheme,
                   {.seed = trial},
                   options.has_length_control ? answers.length : std::vector<double>()) {
    judges.emplace_back(answers, options.judge, RandomStream(trial, "noise"));
    if (options.second) {
      judges.emplace_back(answers, *options.second, RandomStream(trial, "second noise"));
    }
  }

  void ask(const TournamentStage& stage) {
    for (const Group& group : stage.groups) {
      for (size_t j = 0; j < judges.size(); ++j) tournament.add(judges[j].rank(group), j);
    }
  }
  void ask_until_finals() {
    ask(tournament.pass_a());
    while (!tournament.is_ready_for_finals()) ask(tournament.halve());
  }
  void ask_finals(const JudgeScales& scale) {
    for (auto stage = tournament.next_final(scale); !stage.groups.empty();
         stage = tournament.next_final(scale)) {
      ask(stage);
    }
  }
  [[nodiscard]] Pick choose(const JudgeScales& scale, uint64_t trial) const {
    Candidates candidates;
    for (size_t i = 0; i < answers.quality.size(); ++i) {
      candidates.items.push_back(
          {.branch = static_cast<int64_t>(i), .multiplicity = 1, .answer = {}});
    }
    RankingSet rankings = tournament.rankings();
    if (!rankings.lengths.empty()) rankings.length_effects.resize(rankings.rankings.size());
    for (size_t r = 0; r < rankings.scales.size(); ++r) {  // the judges take turns
      rankings.scales[r] = scale.scales[r % judges.size()];
      if (rankings.lengths.empty()) continue;
      rankings.length_effects[r] = scale.length_effects[r % judges.size()];
    }
    const BestOutputRow row =
        select_by_rankings(candidates, rankings, scale.sigma, {}, {.seed = trial});
    Pick pick{.winner = static_cast<size_t>(row.winner),
              .p_best = row.items[0].p_best,
              .regret = row.regret,
              .is_trained = row.status == SelectionStatus::trained};
    for (const SimulatedJudge& judge : judges) {
      pick.calls += judge.calls;
      pick.reads += judge.reads;
    }
    return pick;
  }

  SimulatedAnswers answers;
  std::vector<SimulatedJudge> judges;
  Tournament tournament;
};

// From the first `prompts` contests.
JudgeScales scale_of(const std::vector<std::unique_ptr<PromptTournament>>& contests,
                     uint64_t prompts,
                     bool is_pooled) {
  const size_t judges = contests.front()->judges.size();
  std::vector<std::vector<RankingSet>> sets(judges);
  std::vector<RankingSet> pooled;
  for (uint64_t trial = 0; trial < std::min<uint64_t>(prompts, contests.size()); ++trial) {
    const Tournament& tournament = contests[trial]->tournament;
    for (size_t j = 0; j < judges; ++j) sets[j].push_back(tournament.rankings_of(j));
    pooled.push_back(
        {.items = tournament.rankings().items, .rankings = tournament.rankings().rankings});
  }
  if (!is_pooled) return estimate_judge_scales(sets);
  return {.sigma = estimate_sigma(pooled), .scales = std::vector<double>(judges, 1.0)};
}

}  // namespace

SimulatedAnswers answers_of_trial(const TrialOptions& options, uint64_t trial) {
  return {options.answers, RandomStream(trial, "answers"), options.share_right};
}

Campaign run_ours(const TrialOptions& options, TournamentOptions scheme) {
  std::vector<std::unique_ptr<PromptTournament>> contests;
  for (uint64_t trial = 0; trial < options.trials; ++trial) {
    contests.push_back(std::make_unique<PromptTournament>(options, scheme, trial));
    contests.back()->ask_until_finals();
  }
  const JudgeScales finals = scale_of(contests, kSigmaPrompts, options.is_pooled);
  for (const auto& contest : contests) contest->ask_finals(finals);
  const JudgeScales result = scale_of(contests, kResultPrompts, options.is_pooled);
  Campaign campaign{.sigma = result.sigma, .picks = {}};
  for (uint64_t trial = 0; trial < options.trials; ++trial) {
    campaign.picks.push_back(contests[trial]->choose(result, trial));
  }
  return campaign;
}

const std::vector<Strategy>& other_strategies() {
  static const std::vector<Strategy> kStrategies = {
      {"keep 3 of 8, then three finals", keep_three},
      {"pairwise knock-out, both orders", knock_out},
      {"one list of all, three times", whole_list_three_times},
      {"pointwise scores", pointwise},
      {"sliding window of 20", sliding_window}};
  return kStrategies;
}

Campaign run_other(const TrialOptions& options, const Strategy& strategy) {
  Campaign campaign;
  for (uint64_t trial = 0; trial < options.trials; ++trial) {
    const SimulatedAnswers answers = answers_of_trial(options, trial);
    SimulatedJudge judge(answers, options.judge, RandomStream(trial, "noise"));
    campaign.picks.push_back(
        strategy.run(judge, options.answers, RandomStream(trial, strategy.name)));
  }
  return campaign;
}

}  // namespace thoughtrank
