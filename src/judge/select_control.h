// Winners that no verdict decides: what a study compares the judge's choice with. Pure functions.
#pragma once

#include <string>

#include "judge/candidates.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

// Selects a winner without the judge, among the branches whose answer could be judged: a random one
// (random_winner), or the one whose chosen tokens have the highest mean log probability
// (likeliest_winner). Every prompt with such a branch is trained on.
[[nodiscard]] BestOutputRow select_by_control(const JudgeTask& task,
                                              const Candidates& candidates,
                                              SelectControl control,
                                              const StreamKey& key);

}  // namespace thoughtrank
