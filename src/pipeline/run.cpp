#include "thoughtrank/pipeline/run.h"

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "pipeline/finished.h"
#include "pipeline/purge.h"
#include "pipeline/settle_batch.h"
#include "pipeline/stages.h"
#include "pipeline/tasks.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/watchdog.h"

namespace thoughtrank {

namespace {

StageReport work_on(Session& session, int64_t round, Stage stage) {
  switch (stage) {
    case Stage::generate:
      return generate_stage(session, round);
    case Stage::judge:
      return judge_stage(session, round);
    case Stage::train:
      return train_stage(session, round);
    case Stage::evaluate:
      return evaluate_stage(session, round);
  }
  return {};
}

// What only an unfinished stage needs.
void remove_work(const Session& session, int64_t round, Stage stage) {
  if (stage == Stage::generate) fs::remove(session.folder.branches(round));
  if (stage == Stage::judge) fs::remove(session.folder.thoughts(round));
  if (stage == Stage::train) fs::remove_all(session.folder.training(round));
  if (stage == Stage::evaluate) fs::remove(session.folder.heldout(round));
  if (stage == Stage::evaluate) forget_task_answers(session, round);
  if (stage == Stage::evaluate && round == 0) {
    for (const EnumWord<AnswerForm>& form : kAnswerForms) {
      fs::remove(session.folder.heldout(form.word));
    }
  }
}

Json file_digests(const Session& session, int64_t round, Stage stage) {
  Json digests = Json::object();
  for (const RoundFile file : published_files(stage)) {
    digests[file_name(file)] = sha256_file(session.folder.file(round, file));
  }
  if (stage == Stage::evaluate && !session.tasks.empty()) {
    digests[file_name(RoundFile::tasks)] =
        sha256_file(session.folder.file(round, RoundFile::tasks));
  }
  return digests;
}

// One line a stage: seconds and rates are measurements, kept apart from what must be reproducible.
void add_timing(
    const Session& session, int64_t round, Stage stage, double seconds, const StageReport& report) {
  const fs::path file = session.folder.file(round, RoundFile::timing);
  std::string lines = fs::exists(file) ? read_file(file) : "";
  lines +=
      dump_json(Json{{"stage", stage_name(stage)},
                     {"seconds", seconds},
                     {"units", report.units},
                     {"unit", report.unit},
                     {"rate", seconds > 0 ? static_cast<double>(report.units) / seconds : 0.0}}) +
      "\n";
  publish_file(file, lines);
}

Json journal_record(const char* event, const Session& session, int64_t round, Stage stage) {
  return {{"event", event},
          {"round", round},
          {"stage", stage_name(stage)},
          {"time", session.clock.utc_time()}};
}

// What ends a round for good, so that `status` can say why.
bool ends_round(ExitCode code) {
  return code == ExitCode::kTrainingHealth || code == ExitCode::kJudge;
}

StageReport work_and_note(Session& session, int64_t round, Stage stage) {
  try {
    return work_on(session, round, stage);
  } catch (const Error& error) {
    if (ends_round(error.code())) {
      Json record = journal_record("stage_failed", session, round, stage);
      record["code"] = static_cast<int>(error.code());
      record["reason"] = error.what();
      session.log.append(record);
    }
    throw;
  }
}

void run_stage(Session& session, int64_t round, Stage stage) {
  fs::create_directories(session.folder.work(round));
  log_debug("round {}: {} starts", round, stage_name(stage));
  session.log.append(journal_record("stage_started", session, round, stage));
  const double started_s = session.clock.now_s();
  const StageReport report = work_and_note(session, round, stage);
  const double seconds = session.clock.now_s() - started_s;
  Json record = journal_record("stage_finished", session, round, stage);
  record["seconds"] = seconds;
  record["units"] = report.units;
  record["unit"] = report.unit;
  record["files"] = file_digests(session, round, stage);
  record.update(report.facts);
  session.log.append(record);
  add_timing(session, round, stage, seconds, report);
  remove_work(session, round, stage);
}

// Sets the flag after `hours`; 0: never.
class TimeLimit {
 public:
  TimeLimit(double hours, StopFlag& flag) {
    if (hours <= 0) return;
    thread_ = std::jthread([this, hours, &flag](const std::stop_token& ended) {
      std::unique_lock lock(mutex_);
      const auto limit = std::chrono::duration<double>(hours * 3600);
      if (!wake_.wait_for(lock, ended, limit, [&] { return ended.stop_requested(); })) {
        log_warning("limits.max_hours: {} hours have passed; run again to resume", hours);
        flag.request(SIGALRM);
      }
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

std::vector<std::pair<int64_t, Stage>> all_stages(const RunConfig& config) {
  std::vector<std::pair<int64_t, Stage>> order = {{0, Stage::evaluate}};
  for (int64_t round = 1; round <= config.rounds; ++round) {
    for (const Stage stage : kStages) order.emplace_back(round, stage);
  }
  return order;
}

}  // namespace

bool run_rounds(const RunConfig& config, Clock& clock, StopFlag& stop, const BatchFiles& batch) {
  const Watchdog watchdog(config.limits.hang_limit_s(), "the run");
  const auto session =
      open_session(config, {.batch = batch, .overlaps_judging = batch.to.empty()}, clock, stop);
  settle_batch(*session);
  const TimeLimit limit(config.limits.max_hours, stop);
  bool has_worked = false;
  for (const auto& [round, stage] : all_stages(config)) {
    if (!is_finished(*session, round, stage)) {
      // Settings, key and program are looked at now and not when hours have been generated.
      if (!has_worked) require_judge(*session, round);
      if (stage == Stage::train) require_wish_to_train_again(*session, round);
      run_stage(*session, round, stage);
      has_worked = true;
    } else {  // a kill may have come before it
      remove_work(*session, round, stage);
    }
    // After finished stages, too: a kill may have come between a checkpoint and its purge. What a
    // study does not keep goes after its evaluation.
    if (stage == Stage::train || stage == Stage::evaluate) purge_checkpoints(*session, round);
  }
  return has_worked;
}

void run_one_stage(const RunConfig& config,
                   Stage stage,
                   std::optional<int64_t> round,
                   Clock& clock,
                   StopFlag& stop,
                   const BatchFiles& batch) {
  if (round && *round > config.rounds) {
    fail(ExitCode::kConfig,
         "there is no round {}: the config has rounds: {}",
         *round,
         config.rounds);
  }
  const Watchdog watchdog(config.limits.hang_limit_s(), "the run");
  const auto session = open_session(config, {.batch = batch}, clock, stop);
  settle_batch(*session);
  const TimeLimit limit(config.limits.max_hours, stop);
  for (const auto& [n, before] : all_stages(config)) {
    const bool is_wanted = before == stage && n > 0 && (!round || *round == n);
    const bool is_done = is_finished(*session, n, before);
    if (is_wanted && is_done && round) {
      log_info("round {}: {} is finished already", n, stage_name(stage));
      return;
    }
    if (is_done) continue;
    if (is_wanted) {
      run_stage(*session, n, stage);
      if (stage == Stage::train) purge_checkpoints(*session, n);
      return;
    }
    // Round 0's anchors and a round's evaluation are made by `run`; the other stages do not read
    // them.
    if (before == Stage::evaluate) continue;
    fail(ExitCode::kMissingInput,
         "round {}: {} has not finished yet, and {} stands on it. Run `thoughtrank {} --round {}` "
         "first.",
         n,
         stage_name(before),
         stage_name(stage),
         stage_name(before),
         n);
  }
  log_info("{} is finished in all {} rounds", stage_name(stage), config.rounds);
}

}  // namespace thoughtrank
