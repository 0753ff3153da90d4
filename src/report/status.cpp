#include "thoughtrank/report/status.h"

#include <algorithm>
#include <map>

#include "report/audit_block.h"
#include "report/summary_block.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/ledger_accounts.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/data/run_log.h"
#include "thoughtrank/data/study_rows.h"

namespace thoughtrank {

namespace {

int64_t count_records(const fs::path& journal) {
  int64_t count = 0;
  if (fs::exists(journal)) read_journal(journal, [&](const Json&) { ++count; });
  return count;
}

StageStatus stage_status(const RunFolder& folder, const RunLog& log, int64_t round, Stage stage) {
  StageStatus status;
  status.stage = stage;
  if (const Json* record = log.finished(round, stage)) {
    const std::string where = folder.journal().string();
    status.state = StageStatus::State::finished;
    status.seconds = require_number(*record, "seconds", where);
    status.unit = require_string(*record, "unit", where);
    status.rate = status.seconds > 0 ? require_number(*record, "units", where) / status.seconds : 0;
    return status;
  }
  if (!log.has_started(round, stage)) return status;
  status.state = StageStatus::State::begun;
  if (const Json* record = log.failed(round, stage)) {
    status.reason = require_string(*record, "reason", folder.journal().string());
  }
  if (stage == Stage::generate) status.done = count_records(folder.branches(round));
  if (stage == Stage::evaluate) status.done = count_records(folder.heldout(round));
  if (stage == Stage::evaluate && round == 0) {
    for (const auto& form : kAnswerForms) status.done += count_records(folder.heldout(form.word));
  }
  return status;
}

int64_t& count_of(RoundStatus& round, SelectionStatus status) {
  switch (status) {
    case SelectionStatus::trained:
      return round.trained;
    case SelectionStatus::uncertain:
      return round.uncertain;
    case SelectionStatus::skipped:
      return round.skipped;
    case SelectionStatus::no_candidates:
      return round.no_candidates;
  }
  fail(ExitCode::kInternal, "a selection's status without a count");
}

void read_selection(const RunFolder& folder, RoundStatus& round) {
  const fs::path file = folder.file(round.round, RoundFile::best_outputs);
  if (!fs::exists(file)) return;
  for (const BestOutputRow& row : read_rows<BestOutputRow>(file)) {
    ++count_of(round, row.status);
    round.usd += row.usd;
  }
}

void read_training(const RunFolder& folder, const RunLog& log, RoundStatus& round) {
  const Json* record = log.finished(round.round, Stage::train);
  if (record == nullptr) return;
  const std::string where = folder.journal().string();
  round.rows = require_int(*record, "rows", 0, INT64_MAX, where);
  round.steps = require_int(*record, "steps", 0, INT64_MAX, where);
  round.loss_before = require_number(*record, "loss_before", where);
  round.loss_after = require_number(*record, "loss_after", where);
  if (!log.is_purged(round.round)) round.checkpoint = folder.checkpoint(round.round).string();
}

template <class Row>
std::optional<MeanWithInterval> summarise(const std::vector<Row>& rows,
                                          std::optional<double> EvalRow::*member) {
  std::vector<double> values;
  for (const Row& row : rows) {
    if ((row.*member).has_value()) values.push_back(*(row.*member));
  }
  if (values.empty()) return std::nullopt;
  return mean_with_interval(values);
}

void read_evaluation(const RunFolder& folder, RoundStatus& round) {
  const fs::path file = folder.file(round.round, RoundFile::eval);
  if (!fs::exists(file)) return;
  const auto rows = read_rows<EvalRow>(file);
  round.heldout_prompts = std::ssize(rows);
  round.score = summarise(rows, &EvalRow::score);
  round.win_rate = summarise(rows, &EvalRow::win);
  round.heldout_loss = summarise(rows, &EvalRow::heldout_loss);
}

// The untrained model's answers by form, in runs that have them.
void read_forms(const RunFolder& folder, const RunLog& log, RoundStatus& round) {
  const fs::path file = folder.file(round.round, RoundFile::forms);
  const Json* record = log.finished(round.round, Stage::evaluate);
  if (!fs::exists(file) || record == nullptr) return;
  const std::string anchor = record->value("anchor", "");
  const auto rows = read_rows<FormRow>(file);
  for (const auto& entry : kAnswerForms) {
    std::vector<FormRow> of_form;
    for (const FormRow& row : rows) {
      if (row.form == entry.value) of_form.push_back(row);
    }
    if (of_form.empty()) continue;
    const auto score = summarise(of_form, &FormRow::score);
    round.forms_are_wins = round.forms_are_wins || summarise(of_form, &FormRow::win).has_value();
    round.forms.push_back({.name = entry.word,
                           .result = score ? score : summarise(of_form, &FormRow::win),
                           .is_anchor = anchor == entry.word});
  }
}

// Each task in the form with the most right answers, the earlier of equals.
void read_tasks(const RunFolder& folder, RoundStatus& round) {
  const fs::path file = folder.file(round.round, RoundFile::tasks);
  if (!fs::exists(file)) return;
  const auto rows = read_rows<TaskRow>(file);
  std::vector<std::string> names;  // in the file's order
  std::map<std::string, std::map<AnswerForm, std::vector<const TaskRow*>>> found;
  for (const TaskRow& row : rows) {
    if (!found.contains(row.task)) names.push_back(row.task);
    found[row.task][row.form].push_back(&row);
  }
  for (const std::string& name : names) {
    std::optional<TaskStatus> best;
    for (const auto& [form, answers] : found[name]) {
      TaskStatus task{.name = name, .form = word_of(form, kAnswerForms), .right = {}, .cut = 0};
      std::vector<double> right;
      for (const TaskRow* row : answers) {
        right.push_back(row->is_right ? 1 : 0);
        task.cut += row->is_cut ? 1 : 0;
      }
      task.right = mean_with_interval(right);
      if (!best || task.right.mean > best->right.mean) best = std::move(task);
    }
    round.tasks.push_back(*std::move(best));
  }
}

// What the journal says of an evaluation; runs of earlier versions say less.
void read_evaluation_record(const RunFolder& folder, const RunLog& log, RoundStatus& round) {
  const Json* record = log.finished(round.round, Stage::evaluate);
  if (record == nullptr) return;
  const std::string where = folder.journal().string();
  if (record->contains("kl_to_round_0")) {
    round.kl_to_round_0 = require_number(*record, "kl_to_round_0", where);
  }
  if (!record->contains("cut")) return;
  round.heldout_cut = require_int(*record, "cut", 0, INT64_MAX, where);
  round.heldout_answers = require_int(*record, "answers", 0, INT64_MAX, where);
}

std::string read_audit(const RunFolder& folder, int64_t round) {
  const fs::path file = folder.file(round, RoundFile::audit);
  if (!fs::exists(file)) return {};
  return format_audit(parse_json(read_file(file), file.string()), file.string());
}

std::string read_summary(const RunFolder& folder, int64_t round) {
  const fs::path file = folder.file(round, RoundFile::summary);
  if (!fs::exists(file)) return {};
  return format_summary(parse_json(read_file(file), file.string()), file.string());
}

// Calls and reads grow with the answers that are judged, so their cost is taken per distinct
// answer.
double saved_by_deduplication(const RunFolder& folder, int64_t round) {
  const fs::path file = folder.file(round, RoundFile::best_outputs);
  if (!fs::exists(file)) return 0;
  double saved = 0;
  for (const BestOutputRow& row : read_rows<BestOutputRow>(file)) {
    int64_t answers = 0;
    for (const RankedItem& item : row.items) answers += item.multiplicity;
    const auto distinct = std::ssize(row.items);
    if (distinct > 0) saved += row.usd * static_cast<double>(answers - distinct) / distinct;
  }
  return saved;
}

MoneyStatus read_money(const RunFolder& folder, int64_t rounds) {
  const LedgerAccounts accounts = read_ledger_accounts(folder.ledger());
  MoneyStatus money{.spent = accounts.spent_usd(),
                    .reserved = accounts.reserved_usd(),
                    .saved_by_ledger = accounts.saved_usd(),
                    .waiting_calls = accounts.waiting_calls()};
  for (int64_t round = 1; round <= rounds; ++round) {
    money.saved_by_deduplication += saved_by_deduplication(folder, round);
  }
  return money;
}

RoundStatus round_status(const RunFolder& folder, const RunLog& log, int64_t number) {
  RoundStatus round;
  round.round = number;
  for (const Stage stage : kStages) {
    if (number == 0 && stage != Stage::evaluate) continue;
    round.stages.push_back(stage_status(folder, log, number, stage));
  }
  read_selection(folder, round);
  read_training(folder, log, round);
  read_evaluation(folder, round);
  read_tasks(folder, round);
  if (number == 0) read_forms(folder, log, round);
  read_evaluation_record(folder, log, round);
  round.audit = read_audit(folder, number);
  round.summary = read_summary(folder, number);
  return round;
}

}  // namespace

bool RunStatus::is_finished() const {
  return std::all_of(history.begin(), history.end(), [](const RoundStatus& round) {
    return std::all_of(round.stages.begin(), round.stages.end(), [](const StageStatus& stage) {
      return stage.state == StageStatus::State::finished;
    });
  });
}

RunStatus read_status(const fs::path& run_dir) {
  const RunFolder folder{run_dir};
  if (fs::exists(run_dir / kStudyDesign)) {
    fail(ExitCode::kMissingInput,
         "{0} is a study: `thoughtrank study --config FILE --print` shows it, `thoughtrank status "
         "{0}/TASK/ARM-SEED` one of its runs",
         run_dir.string());
  }
  if (!fs::exists(folder.frozen())) {
    fail(ExitCode::kMissingInput,
         "{} is not a run folder: it has no run.json. `thoughtrank run --config round.yaml` makes "
         "one.",
         run_dir.string());
  }
  const std::string where = folder.frozen().string();
  const Json frozen = parse_json(read_file(folder.frozen()), where);
  const Json& config = require(frozen, "config", where);
  RunStatus status;
  status.run_dir = run_dir.string();
  status.holder = lock_holder(run_dir);
  status.rounds = require_int(config, "rounds", 1, 99, where);
  status.judge = require_string(require(config, "judge", where), "kind", where);
  const RunLog log = RunLog::read_only(folder.journal());
  status.money = read_money(folder, status.rounds);
  for (int64_t round = 0; round <= status.rounds; ++round) {
    status.history.push_back(round_status(folder, log, round));
  }
  return status;
}

}  // namespace thoughtrank
