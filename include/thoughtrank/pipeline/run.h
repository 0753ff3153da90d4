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

// What `--export FILE`, `--import FILE` and `--discard-batch` of `run` and `judge` ask for; an
// empty path where the option was not given.
struct BatchFiles {
  std::filesystem::path to = {};
  std::filesystem::path from = {};
  bool is_discarded = false;  // gives up what was exported before and never imported
};

// Works on every stage of every round, in order. What is finished already is skipped, what was
// begun goes on. Returns false when everything had been finished before. Throws BatchWritten when a
// judge's calls went into batch.to and the stage waits for their results.
bool run_rounds(const RunConfig& config,
                Clock& clock,
                StopFlag& stop,
                const BatchFiles& batch = {});

// Works on one stage of `round` (nullopt: of the first round whose stage is not finished). The
// stages before it must be finished: Error(kMissingInput) names the one that is not. Throws
// BatchWritten as run_rounds() does.
void run_one_stage(const RunConfig& config,
                   Stage stage,
                   std::optional<int64_t> round,
                   Clock& clock,
                   StopFlag& stop,
                   const BatchFiles& batch = {});

}  // namespace thoughtrank
