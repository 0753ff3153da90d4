// run.json: what a run was started with. A resumed run must be the same run: only what cannot
// change a result may differ.
#pragma once

#include <filesystem>
#include <string>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

struct RunIdentity {
  std::string model_sha256;     // digest of the weights
  std::string prompts_sha256;   // digest of the prompts' file
  std::string template_sha256;  // digest of the template's pieces
  std::string texts_sha256;     // digest of the model's config and tokenizer files and the rubrics
  // The same as versions wrote it that knew the other judges' rubrics by their paths.
  std::string earlier_texts_sha256 = {};
  std::string replay_sha256 = {};      // digest of the file of train.replay; "" without one
  std::string examples_sha256 = {};    // digest of the worked examples; "" without any
  Json tasks_sha256 = Json::object();  // tasks_sha256(config)
};

// Publishes run.json at the first start and returns `compute`. Later it returns what was frozen
// then, or throws Error(kConfig) with a line for each difference in a field that may not change
// (FieldVisitor::may_change). More rounds than before are frozen anew.
[[nodiscard]] ComputeSetup freeze_or_check(const std::filesystem::path& run_json,
                                           const RunConfig& config,
                                           const ComputeSetup& compute,
                                           const RunIdentity& identity,
                                           const std::string& utc_time);

// The digests of the files of evaluate.tasks, by the tasks' names.
[[nodiscard]] Json tasks_sha256(const RunConfig& config);
// Tells whether the run with this run.json asked the task, or all tasks, as the config does: the
// same questions with the same examples, budgets and comparison. What a gate allows does not count.
[[nodiscard]] bool asks_alike(const Json& run_json,
                              const RunConfig& config,
                              const std::string& task);
[[nodiscard]] bool asks_tasks_alike(const Json& run_json, const RunConfig& config);

// Tells whether the config's judges would be asked as those of the run; rubrics are files, which
// their digest tells apart.
[[nodiscard]] bool judges_alike(const Json& run_json, RunConfig config);

// Returns the name of the instruction set of a run.json's "frozen".
[[nodiscard]] std::string frozen_set_name(const Json& frozen);

// Throws Error(kConfig) with a line for each difference when a fork of the run changes what its
// finished rounds stand on: the base model's weights, the prompts and which of them belong to which
// round.
void require_fork_keeps(const std::filesystem::path& run_json, const RunConfig& config);

}  // namespace thoughtrank
