#include "train/state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {
namespace {

constexpr int64_t kFormat = 1;
constexpr const char* kPrefix = "state-";
constexpr const char* kArenaFile = "arena.safetensors";
constexpr const char* kStateFile = "state.json";

// JSON has no NaN: null stands for it.
Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const TrainingState& state, const std::string& identity) {
  Json metrics = Json::array();
  for (const MetricsRow& row : state.metrics) metrics.push_back(to_json(row));
  return {{"format", kFormat},
          {"identity", identity},
          {"steps_done", state.steps_done},
          {"updates", state.updates},
          {"bad_in_a_row", state.bad_in_a_row},
          {"micro_batch_parts", state.micro_batch_parts},
          {"loss_before", number_or_null(state.loss_before)},
          {"metrics", metrics},
          {"quarantine", state.quarantine}};
}

TrainingState state_from_json(const Json& json, const std::string& where) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  TrainingState state;
  state.steps_done = require_int(json, "steps_done", 0, kMost, where);
  state.updates = require_int(json, "updates", 0, state.steps_done, where);
  state.bad_in_a_row = require_int(json, "bad_in_a_row", 0, state.steps_done, where);
  state.micro_batch_parts = require_int(json, "micro_batch_parts", 1, kMost, where);
  state.loss_before = require(json, "loss_before", where).is_null()
                          ? std::numeric_limits<double>::quiet_NaN()
                          : require_number(json, "loss_before", where);
  for (const Json& row : require(json, "metrics", where)) {
    state.metrics.push_back(from_json<MetricsRow>(row, where));
  }
  state.quarantine = require(json, "quarantine", where);
  return state;
}

// The states that are there, newest first.
std::vector<fs::path> list_states(const fs::path& work_folder) {
  std::vector<fs::path> states;
  if (!fs::exists(work_folder)) return states;
  for (const auto& entry : fs::directory_iterator(work_folder)) {
    if (entry.path().filename().string().starts_with(kPrefix)) states.push_back(entry.path());
  }
  std::sort(states.rbegin(), states.rend());
  return states;
}

ManifestEntry write_state_file(const fs::path& folder, const std::string& bytes) {
  FileWriter writer(folder / kStateFile);
  writer.write(bytes);
  writer.close();
  return {.path = kStateFile, .bytes = writer.bytes(), .sha256 = writer.sha256()};
}

void read_arena(const fs::path& folder, WeightArena& arena) {
  const auto reader = SafetensorsReader::open_file(folder / kArenaFile);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : arena.state()) {
    const at::Tensor stored = reader.read(name);
    if (stored.sizes() != tensor.sizes() || stored.scalar_type() != tensor.scalar_type()) {
      fail(ExitCode::kBadData,
           "{}: {} has {} elements of {}, expected {} of {}: remove {} to begin the training anew",
           (folder / kArenaFile).string(),
           name,
           stored.numel(),
           at::toString(stored.scalar_type()),
           tensor.numel(),
           at::toString(tensor.scalar_type()),
           folder.string());
    }
    tensor.copy_(stored);
  }
  arena.restore_weights();
}

}  // namespace

void publish_state(const fs::path& work_folder,
                   const std::string& identity,
                   const TrainingState& state,
                   const WeightArena& arena) {
  const std::vector<fs::path> older = list_states(work_folder);
  const std::string name = fmt::format("{}{:08}", kPrefix, state.steps_done);
  const fs::path temporary = work_folder / (".tmp-" + name);
  require_free_space(work_folder, arena.state_bytes());
  fs::create_directory(temporary);
  std::vector<ManifestEntry> files;
  files.push_back(write_safetensors(temporary / kArenaFile, arena.state()));
  files.push_back(write_state_file(temporary, dump_json(to_json(state, identity)) + "\n"));
  publish_folder(temporary, work_folder / name, files, Json::object());
  const std::string damage = verify_folder(work_folder / name);
  if (!damage.empty()) {
    fail(ExitCode::kIo, "{} was written and reads back damaged: {}", name, damage);
  }
  for (const fs::path& folder : older) remove_durably(folder);
}

bool restore_state(const fs::path& work_folder,
                   const std::string& identity,
                   TrainingState& state,
                   WeightArena& arena) {
  for (const fs::path& folder : list_states(work_folder)) {
    const std::string damage = verify_folder(folder);
    if (!damage.empty()) {
      log_warning("train: {} is damaged and removed: {}", folder.string(), damage);
      remove_durably(folder);
      continue;
    }
    const std::string where = (folder / kStateFile).string();
    const Json json = parse_json(read_file(folder / kStateFile), where);
    if (require_string(json, "identity", where) != identity) {
      log_warning("train: {} belongs to another training and is removed", folder.string());
      remove_durably(folder);
      continue;
    }
    state = state_from_json(json, where);
    read_arena(folder, arena);
    return true;
  }
  return false;
}

}  // namespace thoughtrank
