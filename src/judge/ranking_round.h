// One round of the ranking judges: every prompt's tournament at once, and the rules that end a
// round whose judge does not judge.
#pragma once

#include <vector>

#include "judge/rank_caller.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

[[nodiscard]] TournamentOptions scheme_of(const SchemeOptions& options);

inline constexpr size_t kSigmaPrompts = 16;  // σ of the finals comes from the first so many prompts
inline constexpr double kUselessSigma = 0.2;
inline constexpr int64_t kAnswersThatFit = 4;  // answers of one request, whichever they are

// Counts calls and abstentions. Error(kJudge) when every call abstained, or more than
// `max_abstained` of at least 20 did.
class AbstentionRule {
 public:
  // `most_calls`: how many there can be at most; the round ends early once it cannot pass any more.
  AbstentionRule(double max_abstained, int64_t most_calls)
      : max_abstained_(max_abstained), most_calls_(most_calls) {}
  void count(const VerdictRow& verdict);
  void check_at_end() const;

 private:
  [[noreturn]] void fail_round() const;
  double max_abstained_;
  int64_t most_calls_;
  int64_t calls_ = 0;
  int64_t abstained_ = 0;
  std::string last_reason_;
};

// One of the judges of a round; it sees every group.
struct RoundJudge {
  RankCaller* caller = nullptr;
  double max_abstained = 0.05;
};

// The verdict rows of all tasks, sorted by task and call.
[[nodiscard]] std::vector<std::vector<VerdictRow>> run_ranking_round(
    const std::vector<JudgeTask>& tasks,
    const JudgeOptions& options,
    const StreamKey& key,
    int64_t fixed_tokens,  // tokens of the longest system text
    std::vector<RoundJudge> judges,
    Progress& progress);

// Makes the same calls as far as they do not depend on the other prompts: everything before the
// finals. The replies are in the ledger when the whole round asks for them; a judge that abstains
// too often is found out then.
void overlap_ranking_round(const std::vector<JudgeTask>& tasks,
                           const JudgeOptions& options,
                           const StreamKey& key,
                           int64_t fixed_tokens,
                           std::vector<RoundJudge> judges,
                           Progress& progress);

}  // namespace thoughtrank
