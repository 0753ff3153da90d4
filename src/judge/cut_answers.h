// Answers that did not end by themselves: they were cut at the budget of their tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

struct CutAnswers {
  int64_t answers = 0, of_answers = 0;  // of all branches
  int64_t winners = 0, of_winners = 0;  // of those that are trained on
};
[[nodiscard]] CutAnswers count_cut_answers(const std::vector<JudgeTask>& tasks,
                                           const std::vector<BestOutputRow>& best);

// Returns a sentence that says how many and what to do where they are many; else nothing.
[[nodiscard]] std::string cut_finding(const CutAnswers& cut);

}  // namespace thoughtrank
