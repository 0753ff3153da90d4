// Ways to find the best of one prompt's answers with a judge, for judge_simulation: the program's
// own scheme, driven through its own code, and what others do.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "judge/ranking_round.h"
#include "rank/simulated_judge.h"
#include "thoughtrank/rank/posterior_regret.h"

namespace thoughtrank {

// What a strategy did with one prompt. The last three: what our posterior says about it.
struct Pick {
  size_t winner = 0;
  int calls = 0;
  int reads = 0;
  double p_best = 0;
  double regret = 0;  // a share of the best answer's lead
  bool is_trained = true;
};

struct Campaign {
  double sigma = 0;  // of ours
  std::vector<Pick> picks;
};

struct TrialOptions {
  size_t answers = 62;
  uint64_t trials = 2000;
  JudgeCharacter judge = {};
  std::optional<JudgeCharacter> second = {};  // ours only: ranks every group as well
  bool is_pooled = false;  // both judges count the same, however consistent they are
  bool has_length_control = false;
  double share_right = 0;  // as SimulatedAnswers has it
};

// The program's scheme: Tournament, σ from the first 16 prompts for the finals and from 64 prompts
// for the result, select_by_rankings.
[[nodiscard]] Campaign run_ours(const TrialOptions& options, TournamentOptions scheme);

// The others look at one prompt at a time.
struct Strategy {
  std::string name;
  Pick (*run)(SimulatedJudge& judge, size_t answers, RandomStream random);
};
[[nodiscard]] const std::vector<Strategy>& other_strategies();
[[nodiscard]] Campaign run_other(const TrialOptions& options, const Strategy& strategy);

// The answers of one trial: the same for every strategy.
[[nodiscard]] SimulatedAnswers answers_of_trial(const TrialOptions& options, uint64_t trial);

}  // namespace thoughtrank
