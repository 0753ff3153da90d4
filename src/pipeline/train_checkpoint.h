// One training from weights and rows to a published checkpoint: what a round's train stage and
// `train --data` have in common. The caller says where everything goes and removes the work folder
// when the checkpoint is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/heldout_gate.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

struct TrainingJob {
  const RunConfig& config;
  const ComputeSetup& compute;
  const ModelTexts& texts;
  std::string label;                   // begins the progress line: "round 3 train"
  int64_t round = 1;                   // stands in the metrics and decides the order of the rows
  bool is_of_round = true;             // false: on a file of rows, whose config nobody froze
  std::vector<TrainingRow> rows = {};  // of objective sft
  std::vector<PreferencePairRow> pairs = {};  // of objective dpo_nll
  std::string rows_sha256 = {};               // digest of the files that the rows come from
  std::string rows_file = {};                 // its name, for the model card; "" = the run's own
  std::filesystem::path start;                // model folder whose weights are trained
  std::optional<HeldoutGate> gate = {};
  // Of the checkpoint before it is published, as in CheckpointSetup.
  std::function<void(const std::filesystem::path& folder)> inspect = {};
  std::filesystem::path work;        // optimizer states: an interrupted training goes on from them
  std::filesystem::path metrics;     // file of one row per step; written even if the gate refuses
  std::filesystem::path quarantine;  // file of the skipped steps; written if there were any
  std::filesystem::path target;      // the checkpoint folder
  Json card;                         // facts of the model card
  const Clock& clock;
  const StopFlag& stop;
};

// Trains and publishes. Error(kIo) without room for the checkpoint, said before the first step;
// Error(kTrainingHealth) when the gate refuses or the weights are not sound: then the metrics are
// there and no checkpoint is. Other errors as those of train() and publish_checkpoint().
TrainResult train_checkpoint(const TrainingJob& job);

}  // namespace thoughtrank
