// From verdicts to winners: the row of best_outputs.jsonl of each prompt. Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "judge/candidates.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

// Returns the valid rankings of one prompt as items of `candidates`; branches that are no
// candidates (any more, or planted ones) are left out. `scales` are by the judge's name; where they
// are empty, all judges count alike.
[[nodiscard]] RankingSet rankings_of(const Candidates& candidates,
                                     const std::vector<const VerdictRow*>& verdicts,
                                     const std::map<std::string, JudgeScale>& scales = {});

// Returns the σ of the most consistent judge, or kSmallestSigma where there is no judge.
[[nodiscard]] double largest_sigma(const std::map<std::string, JudgeScale>& scales);

// Selects the winner. A coin-flip is none: "trained" only if its PosteriorRegret::share <=
// max_regret and P(winner better than the average answer) >= min_confidence; the average is that of
// the branches. `regret` of the row is the share.
[[nodiscard]] BestOutputRow select_by_rankings(const Candidates& candidates,
                                               const RankingSet& rankings,
                                               double sigma,
                                               const SelectOptions& select,
                                               const StreamKey& key);

// Selects the highest score. Ties at the top are broken by the stream and flagged in `reason`.
// `scores[i]` is of item i.
[[nodiscard]] BestOutputRow select_by_scores(const Candidates& candidates,
                                             const std::vector<double>& scores,
                                             bool is_reference,
                                             const SelectOptions& select,
                                             const StreamKey& key);

// Replaces the lowest branch of each answer of the row by one drawn among those that may stand for
// it: a thought is not chosen by its letter. Each answer has a stream of its own.
void draw_thoughts(BestOutputRow& row, const Candidates& candidates, const StreamKey& key);

}  // namespace thoughtrank
