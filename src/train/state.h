// Resumable states of a training: work_folder/state-00000050/ with arena.safetensors (weights and
// moments, flat) and state.json, published like everything else. Only the newest is kept; one that
// does not verify is removed with a warning and the one before it, if any, is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "thoughtrank/core/json.h"
#include "thoughtrank/data/records.h"
#include "train/weight_arena.h"

namespace thoughtrank {

// Where a training stands between two steps, besides the arena.
struct TrainingState {
  int64_t steps_done = 0;         // position in the plan
  int64_t updates = 0;            // steps that were not skipped
  int64_t bad_in_a_row = 0;       // skipped steps since the last update
  int64_t micro_batch_parts = 1;  // MicroBatches::parts(): grows when memory runs out
  double loss_before = 0;         // before the first step; NaN where it was not finite
  std::vector<MetricsRow> metrics;
  Json quarantine = Json::array();  // what quarantine.jsonl holds
};

// Publishes the state and removes the older ones. Error(kIo) as files.h says.
void publish_state(const std::filesystem::path& work_folder,
                   const std::string& identity,
                   const TrainingState& state,
                   const WeightArena& arena);

// Fills state and arena from the newest state of this identity. False when there is none.
[[nodiscard]] bool restore_state(const std::filesystem::path& work_folder,
                                 const std::string& identity,
                                 TrainingState& state,
                                 WeightArena& arena);

}  // namespace thoughtrank
