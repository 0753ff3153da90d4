// A fork is built in a hidden folder beside its name and renamed, so that it is whole or not there.
// Published files are never changed in place, only replaced or removed: hard links are safe.
#include "thoughtrank/pipeline/fork.h"

#include <set>

#include "pipeline/freeze.h"
#include "pipeline/session.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/ledger_accounts.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/data/run_log.h"

namespace thoughtrank {

namespace {

Json forked_record(const ForkPoint& point) {
  return {{"event", "forked"},
          {"from", fs::canonical(point.from).string()},
          {"before_round", point.round}};
}

// True when `run` began as this very fork: the command was given again, to resume.
bool is_this_fork(const RunFolder& run, const ForkPoint& point) {
  if (!fs::exists(run.root()) || fs::is_empty(run.root())) return false;
  Json first;
  if (fs::exists(run.journal())) {
    read_journal(run.journal(), [&](const Json& body) {
      if (first.is_null()) first = body;
    });
  }
  const Json wanted = forked_record(point);
  for (const auto& [key, value] : wanted.items()) {
    if (first.is_object() && first.value(key, Json()) == value) continue;
    fail(ExitCode::kConfig,
         "--fork-from makes a new run folder, but {} holds something else already. Choose another "
         "run_dir",
         run.root().string());
  }
  return true;
}

// The file of a finished stage that is not as it was published; empty: none.
std::string changed_file(const RunFolder& from, int64_t round, const Json& record) {
  for (const auto& [name, digest] : require(record, "files", from.journal().string()).items()) {
    const fs::path file = from.round(round) / name;
    if (!fs::exists(file) || sha256_file(file) != digest.get<std::string>()) return file.string();
  }
  return {};
}

// Everything that the fork stands on is published and whole.
void require_published(const RunFolder& from, const RunLog& log, int64_t round) {
  for (int64_t n = 1; n < round; ++n) {
    for (const Stage stage : {Stage::generate, Stage::judge, Stage::train}) {
      const Json* record = log.finished(n, stage);
      if (record == nullptr) {
        fail(ExitCode::kMissingInput,
             "{} has not finished round {}: {}. Fork before that round: --round {}",
             from.root().string(),
             n,
             stage_name(stage),
             n);
      }
      const std::string changed = changed_file(from, n, *record);
      if (changed.empty()) continue;
      fail(ExitCode::kBadData, "{} is not the file that was published", changed);
    }
  }
  if (round == 1) return;
  const fs::path checkpoint = from.checkpoint(round - 1);
  const std::string damage = check_checkpoint(checkpoint).damage;
  if (damage.empty()) return;
  fail(ExitCode::kMissingInput,
       "round {} starts from {}, which is not whole ({}){}",
       round,
       checkpoint.string(),
       damage,
       log.is_purged(round - 1) ? ": its weights were removed, see checkpoint.keep" : "");
}

// The model's files as they were, with the rubrics of then: false where one of those is gone.
bool has_same_texts(const Json& before, const std::string& digest, RunConfig config) {
  const Json& judge = before.at("judge");
  config.judge.first.rubric = judge.value("rubric", "");
  config.judge.others.clear();
  for (const Json& other : judge.value("others", Json::array())) {
    config.judge.others.emplace_back().rubric = other.value("rubric", "");
  }
  try {
    return texts_sha256(config) == digest;
  } catch (const Error& error) {
    log_warning("{}; the fork generates its branches anew", error.what());
    return false;
  }
}

// Whether worked examples are shown in the same rounds; their texts are compared by digest.
bool shows_examples_alike(const Json& before, const RunConfig& config) {
  const ExampleOptions none;
  const Json& prompts = before.at("prompts");
  const Json examples = prompts.value("examples", Json::object());
  return examples.value("rounds", none.rounds) == config.prompts.examples.rounds &&
         examples.value("train", none.train) == config.prompts.examples.train;
}

// True where the new config, on this machine, would generate round N's branches as they are.
bool would_generate_the_same(const RunFolder& from, const RunConfig& config) {
  const std::string where = from.frozen().string();
  const Json record = parse_json(read_file(from.frozen()), where);
  const Json& before = require(record, "config", where);
  const Json& frozen = require(record, "frozen", where);
  const Json& digests = require(record, "sha256", where);
  const Json now = config_to_json(config), defaults = config_to_json({});
  for (const char* part : {"branches", "generate"}) {
    Json then = defaults.at(part);  // of keys that came after the run began
    then.update(before.value(part, Json::object()));
    if (then != now.at(part)) return false;
  }
  const ComputeSetup compute = resolve_compute(config);
  const ModelTexts texts = load_model_texts(config.model.path, config.chat_template);
  return frozen_set_name(frozen) == name_of(compute.instruction_set) &&
         frozen.value("device", "") == compute.device &&
         frozen.value("dtype", "") == word_of(compute.dtype) &&
         digests.value("template", "") == template_sha256(texts.chat_template) &&
         digests.value("examples", "") == examples_sha256(config, texts.chat_template) &&
         shows_examples_alike(before, config) &&
         has_same_texts(before, digests.value("texts", ""), config);
}

// A gate compares with what the untrained model answered before round 1, to the same questions
// asked alike: known before any work.
void require_untrained_answers(const RunFolder& from, const RunConfig& config) {
  std::set<std::string> asked;
  const fs::path file = from.file(0, RoundFile::tasks);
  if (fs::exists(file)) {
    for (const TaskRow& row : read_rows<TaskRow>(file)) asked.insert(row.task);
  }
  const Json record = parse_json(read_file(from.frozen()), from.frozen().string());
  for (const TaskOptions& task : config.evaluate.tasks) {
    if (!task.max_fall || (asked.contains(task.name) && asks_alike(record, config, task.name))) {
      continue;
    }
    fail(ExitCode::kConfig,
         "evaluate.tasks: '{}' has a max_fall, but the untrained model's answers to it, asked as "
         "here, are not in {}. Fork with --round 1, or leave max_fall out",
         task.name,
         from.root().string());
  }
}

// The model's files and the rubrics are those of the run.
bool has_its_texts(const Json& record, const RunConfig& config) {
  return record.at("sha256").value("texts", "") == texts_sha256(config);
}

// True where the untrained model would be asked and judged as it was: the anchors of round 0 hold.
bool has_same_anchors(const RunFolder& from, const RunConfig& config) {
  const Json record = parse_json(read_file(from.frozen()), from.frozen().string());
  if (!asks_tasks_alike(record, config)) return false;
  return judges_alike(record, config) && has_its_texts(record, config) &&
         would_generate_the_same(from, config);
}

// The record of round N's branches that the fork takes along; else nothing.
const Json* same_branches(const RunFolder& from,
                          const RunLog& log,
                          const RunConfig& config,
                          int64_t round) {
  const Json* record = log.finished(round, Stage::generate);
  if (record == nullptr || !would_generate_the_same(from, config)) return nullptr;
  const std::string changed = changed_file(from, round, *record);
  if (changed.empty()) return record;
  log_warning("{} is not the file that was published: round {} is generated anew", changed, round);
  return nullptr;
}

void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code failure;
  fs::create_hard_link(from, to, failure);
  if (failure) publish_file(to, read_file(from, 1ull << 40));  // another disk
}

// The published files of a round; what begins with a dot is work of the run that is forked.
void link_folder(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    if (name.string().starts_with(".")) continue;
    if (entry.is_directory()) {
      link_folder(entry.path(), to / name);
    } else {
      link_or_copy(entry.path(), to / name);
    }
  }
  sync_folder(to);
}

void copy_journal(const RunFolder& from,
                  const RunFolder& to,
                  const ForkPoint& point,
                  int64_t first_round,
                  const Json* branches) {
  Journal journal(to.journal(), [](const Json&) {});
  journal.append(forked_record(point));
  read_journal(from.journal(), [&](const Json& body) {
    const int64_t round = body.value("round", int64_t{99});
    if (round >= first_round && round < point.round) journal.append(body);
  });
  if (branches != nullptr) journal.append(*branches);
}

// Calls that were paid for are answered from the copy. What they cost was the other run's to pay:
// judge.max_usd bounds what the fork spends itself.
void copy_ledger(const fs::path& from, const fs::path& to) {
  publish_file(to, read_file(from, 1ull << 40), 0600);
  Journal(to, [](const Json&) {}).append({{"type", "forked"}});
}

// A batch belongs to the run that wrote it: the fork would ask the same calls again.
void require_no_batch_out(const RunFolder& from) {
  const int64_t calls = read_ledger_accounts(from.ledger()).waiting_calls();
  if (calls == 0) return;
  fail(
      ExitCode::kConfig,
      "{} has {} judge calls in a batch file, which the fork would pay again. Import their results "
      "there first, or give them up there with --discard-batch",
      from.root().string(),
      calls);
}

}  // namespace

void fork_run(const RunConfig& config, const ForkPoint& point) {
  const RunFolder from{point.from}, to{config.run_dir};
  if (!fs::exists(from.frozen())) {
    fail(ExitCode::kMissingInput,
         "--fork-from {}: there is no run in it (no run.json)",
         from.root().string());
  }
  if (point.round > config.rounds) {
    fail(ExitCode::kConfig,
         "--round {} is not in the config: it has rounds: {}",
         point.round,
         config.rounds);
  }
  if (is_this_fork(to, point)) return;
  const RunLock lock(from.root());
  require_fork_keeps(from.frozen(), config);
  require_no_batch_out(from);
  const RunLog log = RunLog::read_only(from.journal());
  require_published(from, log, point.round);
  const Json* branches = same_branches(from, log, config, point.round);
  // Finished rounds are compared with their anchors, whatever is asked now.
  const bool keeps_anchors = point.round > 1 || has_same_anchors(from, config);
  const int64_t first_round = keeps_anchors ? 0 : 1;
  if (point.round > 1) require_untrained_answers(from, config);

  const fs::path target = fs::absolute(to.root()).lexically_normal();
  const RunFolder made{target.parent_path() / (".tmp-fork-" + target.filename().string())};
  fs::remove_all(made.root());
  fs::create_directories(made.root());
  for (int64_t n = first_round; n < point.round; ++n) {
    if (fs::exists(from.round(n))) link_folder(from.round(n), made.round(n));
  }
  if (branches != nullptr) {
    fs::create_directories(made.round(point.round));
    for (const auto& [name, digest] : branches->at("files").items()) {
      link_or_copy(from.round(point.round) / name, made.round(point.round) / name);
    }
    sync_folder(made.round(point.round));
  }
  if (fs::exists(from.ledger())) copy_ledger(from.ledger(), made.ledger());
  copy_journal(from, made, point, first_round, branches);
  sync_folder(made.root());
  fs::rename(made.root(), target);
  sync_folder(target.parent_path());
  log_info("{}: {} rounds{} taken over from {}",
           config.run_dir,
           point.round - 1,
           branches == nullptr ? "" : fmt::format(" and round {}'s branches", point.round),
           from.root().string());
}

}  // namespace thoughtrank
