#include "pipeline/finished.h"

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {

std::vector<RoundFile> published_files(Stage stage) {
  std::vector<RoundFile> files;
  for (const RoundFileEntry& entry : kRoundFiles) {
    if (entry.stage == stage) files.push_back(entry.file);
  }
  return files;
}

namespace {

void require_unchanged(const Session& session, int64_t round, const Json& files) {
  for (const auto& [name, digest] : files.items()) {
    const fs::path path = session.folder.round(round) / name;
    if (fs::exists(path) && sha256_file(path) == digest.get<std::string>()) continue;
    fail(ExitCode::kBadData,
         "{} is {}, but the journal says its stage is finished. Put the file back as it was, or "
         "start a new "
         "run_dir.",
         path.string(),
         fs::exists(path) ? "not the file that was published" : "missing");
  }
}

}  // namespace

bool has_good_checkpoint(Session& session, int64_t round) {
  const fs::path checkpoint = session.folder.checkpoint(round);
  if (!fs::exists(checkpoint)) return false;
  const std::string damage = verify_folder(checkpoint);
  if (damage.empty()) return true;
  // Kept, not removed: someone may want to know what a disk did to it.
  const fs::path aside = session.folder.round(round) / (".corrupt-" + session.clock.utc_time());
  fs::rename(checkpoint, aside);
  sync_folder(session.folder.round(round));
  log_warning("{} is damaged ({}); moved to {}, the round is trained again",
              checkpoint.string(),
              damage,
              aside.filename().string());
  return false;
}

bool is_finished(Session& session, int64_t round, Stage stage) {
  const Json* record = session.log.finished(round, stage);
  if (record == nullptr) return false;
  require_unchanged(session, round, require(*record, "files", session.folder.journal().string()));
  if (stage != Stage::train || session.log.is_purged(round)) return true;
  // Nothing reads the weights of a round that is evaluated and whose successor is trained.
  const bool is_behind = session.log.finished(round, Stage::evaluate) != nullptr &&
                         session.log.finished(round + 1, Stage::train) != nullptr;
  return is_behind || has_good_checkpoint(session, round);
}

}  // namespace thoughtrank
