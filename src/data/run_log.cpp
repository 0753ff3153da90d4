#include "thoughtrank/data/run_log.h"

#include "thoughtrank/data/run_folder.h"

namespace thoughtrank {

std::string stage_name(Stage stage) {
  constexpr std::array names = {"generate", "judge", "train", "evaluate"};
  return names.at(static_cast<size_t>(stage));
}

Stage stage_named(const std::string& name) {
  for (const Stage stage : kStages) {
    if (stage_name(stage) == name) return stage;
  }
  fail(
      ExitCode::kBadData, "'{}' is not a stage: expected generate, judge, train or evaluate", name);
}

RunLog::RunLog(const std::filesystem::path& journal) {
  journal_ = std::make_unique<Journal>(journal, [this](const Json& record) { take(record); });
}

RunLog RunLog::read_only(const std::filesystem::path& journal) {
  RunLog log;
  read_journal(journal, [&](const Json& record) { log.take(record); });
  return log;
}

void RunLog::append(const Json& record) {
  journal_->append(record);
  take(record);
}

const Json* RunLog::finished(int64_t round, Stage stage) const {
  const auto found = finished_.find({round, stage});
  return found == finished_.end() ? nullptr : &found->second;
}

const Json* RunLog::failed(int64_t round, Stage stage) const {
  const auto found = failed_.find({round, stage});
  return found == failed_.end() ? nullptr : &found->second;
}

bool RunLog::has_started(int64_t round, Stage stage) const {
  return started_.contains({round, stage});
}

void RunLog::take(const Json& record) {
  const std::string where = RunFolder::kJournal;
  const std::string event = require_string(record, "event", where);
  const auto round = [&] { return require_int(record, "round", 0, 99, where); };
  const auto stage = [&] { return stage_named(require_string(record, "stage", where)); };
  if (event == "stage_started") {
    started_.insert({round(), stage()});
    failed_.erase({round(), stage()});
  }
  if (event == "stage_failed") failed_[{round(), stage()}] = record;
  if (event == "stage_finished") finished_[{round(), stage()}] = record;
  if (event == "checkpoint_purged") purged_.insert(round());
}

}  // namespace thoughtrank
