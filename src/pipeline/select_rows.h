// From ranked prompts to what is trained on; shared by the judge stage and `select`.
#pragma once

#include <filesystem>
#include <vector>

#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// Reads each prompt of the round with its branches, from prompts.jsonl and outputs.jsonl.
// Error(kBadData) for a branch of a prompt that is not there.
[[nodiscard]] std::vector<JudgeTask> read_judge_tasks(const RunFolder& folder, int64_t round);

// Returns the row of a branch; Error(kInternal) where the prompt has none.
[[nodiscard]] const OutputRow& output_of(const JudgeTask& task, int64_t branch);

// Makes the rows of the winners and publishes preference_pairs.jsonl, training_data.jsonl and,
// last, best_outputs.jsonl in `target`; returns how many prompts have which status.
// `tokenizer` is needed where select.control is shuffled_thoughts.
Json publish_selected_rows(const std::filesystem::path& target,
                           const std::vector<JudgeTask>& tasks,
                           const std::vector<BestOutputRow>& best,
                           const RunConfig& config,
                           const Tokenizer* tokenizer = nullptr);

}  // namespace thoughtrank
