// Rounds: which stage of which round comes next, what is journaled around it, and what follows a
// finished round.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/data/stage.h"
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

// `--export FILE`, `--import FILE` and `--discard-batch` of `run` and `judge`; empty: not given.
struct BatchFiles {
  std::filesystem::path to;
  std::filesystem::path from;
  bool is_discarded = false;  // what was exported before and never imported
};

// Every stage of every round, in order; what is finished already is skipped, what was begun goes
// on. Returns false when everything had been finished before. Throws BatchWritten when a judge's
// calls went into batch.to and the stage waits for their results.
bool run_rounds(const RunConfig& config,
                Clock& clock,
                StopFlag& stop,
                const BatchFiles& batch = {});

// One stage of `round` (nullopt: the first round whose stage is not finished). The stages before it
// must be finished: Error(kMissingInput) names the one that is not. BatchWritten as above.
void run_one_stage(const RunConfig& config,
                   Stage stage,
                   std::optional<int64_t> round,
                   Clock& clock,
                   StopFlag& stop,
                   const BatchFiles& batch = {});

}  // namespace thoughtrank
