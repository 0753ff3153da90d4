// The rows of best_outputs.jsonl of a whole round, from its verdicts: what Judge::judge and
// select_winners share. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "judge/selection.h"

namespace thoughtrank {

[[nodiscard]] bool is_pointwise_kind(const std::string& kind);

// The rows of a round by prompt and in call order, without the anchors' ones.
using RowsByPrompt = std::map<std::string, std::vector<const VerdictRow*>>;
[[nodiscard]] RowsByPrompt rows_by_prompt(const std::vector<VerdictRow>& verdicts);

// What is to be ranked of each task, with lengths under judge.length_control.
[[nodiscard]] std::vector<Candidates> candidates_of(const std::vector<JudgeTask>& tasks,
                                                    const JudgeOptions& judge);

// Each ranking judge's taste, estimated from its rankings alone, by its name.
[[nodiscard]] std::map<std::string, Taste> taste_by_judge(
    const std::vector<Candidates>& candidates,
    const std::vector<std::vector<const VerdictRow*>>& rows);  // both by task

// By task. `key` without its prompt.
[[nodiscard]] std::vector<BestOutputRow> choose(const std::vector<JudgeTask>& tasks,
                                                const std::vector<VerdictRow>& verdicts,
                                                const JudgeOptions& judge,
                                                const SelectOptions& select,
                                                StreamKey key);

}  // namespace thoughtrank
