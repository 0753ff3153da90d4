// What select() and the audit share: the material of a whole round, put in order. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "judge/select_prompt.h"

namespace thoughtrank {

// The rows of a round by prompt and in call order, without the anchors' ones.
using RowsByPrompt = std::map<std::string, std::vector<const VerdictRow*>>;
[[nodiscard]] RowsByPrompt rows_by_prompt(const std::vector<VerdictRow>& verdicts);

// What is to be ranked of each task, with lengths under judge.length_control.
[[nodiscard]] std::vector<Candidates> candidates_of(const std::vector<JudgeTask>& tasks,
                                                    const JudgeOptions& judge);

// Estimates each ranking judge's scale from its rankings alone, by its name.
[[nodiscard]] std::map<std::string, JudgeScale> scale_by_judge(
    const std::vector<Candidates>& candidates,
    const std::vector<std::vector<const VerdictRow*>>& rows);  // both by task

}  // namespace thoughtrank
