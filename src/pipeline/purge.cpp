#include "pipeline/purge.h"

#include <algorithm>

#include "pipeline/finished.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {

namespace {

// The weights that the checkpoint's manifest lists. Without a manifest nobody knows whose files
// they are, and they stay.
void remove_weights(const fs::path& checkpoint) {
  remove_leftovers(checkpoint);  // of a purge that was killed
  std::vector<fs::path> weights;
  for (const auto& entry : fs::directory_iterator(checkpoint)) {
    if (entry.path().extension() == ".safetensors") weights.push_back(entry.path());
  }
  if (weights.empty()) return;
  std::vector<std::string> foreign;
  try {
    foreign = foreign_files(checkpoint);
  } catch (const Error& error) {
    log_warning("{}: its weights are not removed: {}", checkpoint.string(), error.what());
    return;
  }
  for (const fs::path& file : weights) {
    const bool is_ours =
        std::find(foreign.begin(), foreign.end(), file.filename()) == foreign.end();
    if (is_ours) remove_durably(file);
  }
}

}  // namespace

void purge_checkpoints(Session& session, int64_t newest_round) {
  // The next round starts from the newest one, whatever is kept.
  const bool is_last = newest_round == session.config.rounds;
  const int64_t keep = std::max<int64_t>(session.config.checkpoint.keep, is_last ? 0 : 1);
  for (int64_t round = 1; round <= newest_round - keep; ++round) {
    const fs::path checkpoint = session.folder.checkpoint(round);
    const bool is_needed = session.log.finished(round, Stage::evaluate) == nullptr;
    if (is_needed || !fs::exists(checkpoint)) continue;
    // The record comes first: a kill after it leaves weights that the next start removes, never a
    // checkpoint without weights that the journal takes for whole.
    if (!session.log.is_purged(round)) {
      // Only newer checkpoints that verify count as kept.
      for (int64_t newer = newest_round - keep + 1; newer <= newest_round; ++newer) {
        if (!has_good_checkpoint(session, newer)) return;
      }
      session.log.append(
          {{"event", "checkpoint_purged"}, {"round", round}, {"time", session.clock.utc_time()}});
      log_info("round {}: weights removed (checkpoint.keep: {})", round, keep);
    }
    remove_weights(checkpoint);
  }
}

}  // namespace thoughtrank
