// A run that begins with the finished rounds of another.
#pragma once

#include <cstdint>
#include <filesystem>

#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

// `run --fork-from FOLDER --round N`.
struct ForkPoint {
  std::filesystem::path from;
  int64_t round = 1;
};

// Makes config.run_dir a new run that begins with the published rounds before `point.round` of
// another, and that round's branches where the config would generate the same: hard links, and a
// copy of the judge's ledger, so that nothing is computed or paid again.
// Does nothing when it is that fork already. Error(kConfig) when run_dir holds something else or
// the config changes what those rounds stand on; Error(kMissingInput) when they are not finished or
// the weights that round N starts from were purged; Error(kLocked) while the other runs.
void fork_run(const RunConfig& config, const ForkPoint& point);

}  // namespace thoughtrank
