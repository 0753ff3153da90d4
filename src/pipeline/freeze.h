// run.json: what a run was started with. A resumed run must be the same run: only what cannot
// change a result may differ.
#pragma once

#include <filesystem>
#include <string>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

struct RunIdentity {
  std::string model_sha256;
  std::string prompts_sha256;
  std::string template_sha256;
  std::string texts_sha256;  // config and tokenizer files of the model, the judge's rubric
};

// First start: publishes run.json and returns `machine`. Later: returns the frozen machine, or
// throws Error(kConfig) with a line for each difference that is not allowed.
[[nodiscard]] ComputeSetup freeze_or_check(const std::filesystem::path& run_json,
                                           const RunConfig& config,
                                           const ComputeSetup& compute,
                                           const RunIdentity& identity,
                                           const std::string& utc_time);

// Error(kConfig) with a line for each difference when a fork of the run changes what its finished
// rounds stand on: the base model's weights, the prompts and which of them belong to which round.
void require_fork_keeps(const std::filesystem::path& run_json, const RunConfig& config);

}  // namespace thoughtrank
