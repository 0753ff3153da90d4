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
  std::string replay_sha256 = {};    // digest of the file of train.replay; "" without one
  std::string examples_sha256 = {};  // digest of the worked examples; "" without any
};

// Publishes run.json at the first start and returns `compute`. Later it returns what was frozen
// then, or throws Error(kConfig) with a line for each difference in a field that may not change
// (FieldVisitor::may_change). More rounds than before are frozen anew.
[[nodiscard]] ComputeSetup freeze_or_check(const std::filesystem::path& run_json,
                                           const RunConfig& config,
                                           const ComputeSetup& compute,
                                           const RunIdentity& identity,
                                           const std::string& utc_time);

// Throws Error(kConfig) with a line for each difference when a fork of the run changes what its
// finished rounds stand on: the base model's weights, the prompts and which of them belong to which
// round.
void require_fork_keeps(const std::filesystem::path& run_json, const RunConfig& config);

}  // namespace thoughtrank
