// Did the thought matter? What a winner's answer is worth to the weights that generated it, given
// its own thought, none, another prompt's, and its own with the tokens shuffled, after the prompt
// as it is trained on. Token ids as they were generated; nothing is tokenized again.
#pragma once

#include <filesystem>
#include <vector>

#include "pipeline/winners.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

struct LiftSetup {
  const RunConfig& config;
  const ModelTexts& texts;
  ComputeSetup compute;
  std::filesystem::path model_folder;  // the weights that generated the round
  int64_t round = 0;
  // Keeps finished rows, so that a killed run goes on where it was; empty: nothing is kept.
  std::filesystem::path store = {};
  const StopFlag& stop;
};

// Returns one row for each of trained_winners(), in their order. What a prompt gets follows from
// the seed, the round and the round's winners only. The model is loaded where there is something
// left to measure.
[[nodiscard]] std::vector<ThoughtRow> measure_thoughts(const LiftSetup& setup,
                                                       const std::vector<JudgeTask>& tasks,
                                                       const std::vector<BestOutputRow>& best,
                                                       Progress& progress);

}  // namespace thoughtrank
