#include "pipeline/finished.h"

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/train/checkpoint.h"

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

std::string checkpoint_problem(const Session& session, int64_t round) {
  const fs::path checkpoint = session.folder.checkpoint(round);
  if (!fs::exists(checkpoint)) return fmt::format("{} is gone", checkpoint.string());
  const std::string damage = check_checkpoint(checkpoint).damage;
  return damage.empty() ? "" : fmt::format("{} is damaged ({})", checkpoint.string(), damage);
}

bool has_good_checkpoint(const Session& session, int64_t round) {
  return fs::exists(session.folder.checkpoint(round)) && checkpoint_problem(session, round).empty();
}

void set_damaged_checkpoint_aside(const Session& session, int64_t round) {
  const fs::path checkpoint = session.folder.checkpoint(round);
  if (!fs::exists(checkpoint)) return;
  const std::string problem = checkpoint_problem(session, round);
  if (problem.empty()) return;
  // Kept, not removed: someone may want to know what a disk did to it.
  const fs::path aside = session.folder.round(round) / (".corrupt-" + session.clock.utc_time());
  fs::rename(checkpoint, aside);
  sync_folder(session.folder.round(round));
  log_warning("{}; moved to {}, the round is trained again", problem, aside.filename().string());
}

void require_wish_to_train_again(const Session& session, int64_t round) {
  const bool is_last = round == session.config.rounds;
  const bool was_trained = session.log.finished(round, Stage::train) != nullptr;
  const bool has_ended = session.log.finished(round, Stage::evaluate) != nullptr;
  if (!is_last || !was_trained || !has_ended) return;
  fail(
      ExitCode::kBadData,
      "{}. This run has finished and trains nothing again unasked: put the file back as it was, or "
      "ask for it with `thoughtrank train --round {}` and the same config",
      checkpoint_problem(session, round),
      round);
}

bool is_finished(const Session& session, int64_t round, Stage stage) {
  const Json* record = session.log.finished(round, stage);
  if (record == nullptr) return false;
  require_unchanged(session, round, require(*record, "files", session.folder.journal().string()));
  if (stage != Stage::train || session.log.is_purged(round)) return true;
  // Nothing reads the weights of a round that is evaluated and whose successor is trained.
  const bool is_behind = session.log.finished(round, Stage::evaluate) != nullptr &&
                         session.log.finished(round + 1, Stage::train) != nullptr;
  if (is_behind) return true;
  if (!fs::exists(session.folder.checkpoint(round))) return false;
  const CheckpointState state = check_checkpoint(session.folder.checkpoint(round));
  for (const std::string& remark : state.remarks) log_warning("{}; it is left alone", remark);
  return state.damage.empty();
}

}  // namespace thoughtrank
