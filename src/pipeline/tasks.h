// Tasks: questions with known answers, asked after every round beside the untrained model, so that
// what a run costs elsewhere is seen. Answers are compared as judge.kind reference does.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/session.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Loads the config's tasks, encoded; questions that do not fit the model's context are left out,
// with a warning. Error(kConfig | kBadData) for an answer that cannot be compared with.
[[nodiscard]] std::vector<LoadedTask> load_tasks(const RunConfig& config, const ModelTexts& texts);

// Returns the answers of the weights in `model_folder` to every task, kept in .work/ as they come:
// of round 0 directly and with a thought, later with a thought. Loads a decoder where there is
// something left to generate.
[[nodiscard]] std::vector<TaskRow> answer_tasks(const Session& session,
                                                const std::filesystem::path& model_folder,
                                                int64_t round);

// Counts the task's questions that are prompts of a round.
[[nodiscard]] int64_t trained_questions(const LoadedTask& task, const PromptPlan& prompts);

// Returns what keeps a checkpoint from being published that has unlearnt a task with a max_fall:
// Error(kTrainingHealth). Without such a task there is nothing to call. Error(kMissingInput) where
// round 0 was not asked, which `run` alone does.
[[nodiscard]] std::function<void(const std::filesystem::path& folder)> task_gate(
    const Session& session, int64_t round);

// Removes what answer_tasks() has kept.
void forget_task_answers(const Session& session, int64_t round);

}  // namespace thoughtrank
