// run.json: what a run was started with. A resumed run must be the same run: only what cannot
// change a result may differ.
#pragma once

#include <filesystem>
#include <string>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/workbench.h"

namespace thoughtrank {

struct RunIdentity {
  std::string model_sha256;
  std::string prompts_sha256;
  std::string template_sha256;
  std::string texts_sha256;  // config and tokenizer files of the model, the judge's rubric
};

// First start: publishes run.json and returns `machine`. Later: returns the frozen machine, or
// throws Error(kConfig) with a line for each difference that is not allowed.
[[nodiscard]] Machine freeze_or_check(const std::filesystem::path& run_json,
                                      const RunConfig& config,
                                      const Machine& machine,
                                      const RunIdentity& identity,
                                      const std::string& utc_time);

}  // namespace thoughtrank
