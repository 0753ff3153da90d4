#include "thoughtrank/pipeline/study.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "pipeline/study_added.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/data/run_log.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/judge/reference.h"
#include "thoughtrank/pipeline/fork.h"
#include "thoughtrank/pipeline/plan.h"
#include "thoughtrank/pipeline/run.h"

namespace thoughtrank {

namespace {

using Answers = std::map<std::string, std::string>;  // of the prompts, by id

Answers answers_of(const PromptOptions& prompts) {
  Answers answers;
  for (PromptRow& row : read_prompt_file(prompts.path, prompts.drop_repeats)) {
    answers[row.prompt_id] = std::move(row.answer);
  }
  return answers;
}

// Reads what one run has published.
class RunResults {
 public:
  RunResults(const StudyRun& run, ReferenceMatch match)
      : run_(run),
        match_(match),
        folder_(run.config.run_dir),
        answers_(answers_of(run.config.prompts)) {}

  void add_to(std::vector<StudyRow>& rows) const {
    add_untrained(rows);
    for (int64_t round = 1; round <= run_.config.rounds; ++round) add_round(rows, round);
  }

 private:
  [[nodiscard]] StudyRow begin_row(int64_t round, AnswerForm form) const {
    StudyRow row;
    row.task = run_.task;
    row.arm = run_.arm;
    row.seed = run_.seed;
    row.round = round;
    row.form = form;
    return row;
  }

  void add_answer(StudyRow& row, const EvalRow& answer) const {
    const auto reference = answers_.find(answer.prompt_id);
    if (reference == answers_.end()) {
      fail(ExitCode::kBadData,
           "{}: the held-out prompt '{}' is not in {} any more",
           folder_.root().string(),
           answer.prompt_id,
           run_.config.prompts.path);
    }
    row.prompt_ids.push_back(answer.prompt_id);
    row.right.push_back(matches_reference(answer.answer, reference->second, match_) ? 1 : 0);
  }

  void add_untrained(std::vector<StudyRow>& rows) const {
    const fs::path file = folder_.file(0, RoundFile::forms);
    if (!fs::exists(file)) return;
    std::map<AnswerForm, StudyRow> by_form;
    for (const FormRow& answer : read_rows<FormRow>(file)) {
      const auto [row, is_new] = by_form.try_emplace(answer.form);
      if (is_new) row->second = begin_row(0, answer.form);
      add_answer(row->second, answer);
    }
    for (auto& [form, row] : by_form) rows.push_back(std::move(row));
  }

  void add_round(std::vector<StudyRow>& rows, int64_t round) const {
    const fs::path file = folder_.file(round, RoundFile::eval);
    if (!fs::exists(file)) return;
    StudyRow row = begin_row(round, AnswerForm::thought);
    for (const EvalRow& answer : read_rows<EvalRow>(file)) add_answer(row, answer);
    const fs::path summary = folder_.file(round, RoundFile::summary);
    const std::string where = summary.string();
    const Json right = require(parse_json(read_file(summary), where), "right", where);
    if (!right.is_null()) {
      row.branches = require_int(right, "branches", 0, INT64_MAX, where);
      row.branches_right = require_int(right, "branches_right", 0, INT64_MAX, where);
    }
    rows.push_back(std::move(row));
  }

  const StudyRun& run_;
  ReferenceMatch match_;
  RunFolder folder_;
  Answers answers_;
};

using Endings = std::vector<StudyEnding>;

// Runs in their order, whether they were measured here or elsewhere. Returns their endings.
Endings publish_results(const Study& study, const AddedResults& added, const Endings& own_endings) {
  std::vector<StudyRow> rows;
  Endings endings;
  for (const StudyRun& run : study.runs) {
    const bool is_added = added.has(run);
    const auto copy_of_run = [&](const auto& from, auto& to) {
      std::copy_if(from.begin(), from.end(), std::back_inserter(to), [&](const auto& row) {
        return row.task == run.task && row.arm == run.arm && row.seed == run.seed;
      });
    };
    if (is_added) copy_of_run(added.rows, rows);
    if (!is_added) RunResults(run, study.match).add_to(rows);
    if (is_added) copy_of_run(added.endings, endings);
    if (!is_added && is_begun(run)) copy_of_run(own_endings, endings);
  }
  publish_file(study.folder / kStudyDesign, to_json(study.design).dump(2) + "\n");
  publish_rows(study.folder / kStudyResults, rows);
  publish_rows(study.folder / kStudyEndings, endings);
  return endings;
}

// Of the latest start.
Endings known_endings(const Study& study) {
  const fs::path file = study.folder / kStudyEndings;
  return fs::exists(file) ? read_rows<StudyEnding>(file) : Endings();
}

// Takes over what the arm has in common with the first one, if the run is not begun yet.
void share_with_first(const StudyRun& run, const StudyRun& first) {
  if (&run == &first || is_begun(run) || !is_begun(first)) return;
  try {
    fork_run(run.config, {.from = first.config.run_dir, .round = 1});
  } catch (const Error& error) {
    if (error.code() != ExitCode::kConfig) throw;
    log_info("{} shares nothing with {}: {}", run.arm, first.arm, error.what());
  }
}

const StudyRun& first_arm_of(const Study& study, const StudyRun& run) {
  return *std::find_if(study.runs.begin(), study.runs.end(), [&](const StudyRun& other) {
    return other.task == run.task && other.seed == run.seed;
  });
}

// What ends one arm and says nothing about the others: its training, or a judge that its audit
// refused. A judge that does not answer would not answer the others either.
bool is_of_one_arm(const Error& error) {
  return error.code() == ExitCode::kTrainingHealth ||
         dynamic_cast<const UntrustedJudge*>(&error) != nullptr;
}

// Rounds may be added to a run whose last weights are there.
void require_weights_to_go_on(const StudyRun& run) {
  const RunFolder folder{run.config.run_dir};
  if (!fs::exists(folder.frozen())) return;
  const RunLog log = RunLog::read_only(folder.journal());
  for (int64_t round = 1; round < run.config.rounds; ++round) {
    if (!log.is_purged(round) || log.finished(round + 1, Stage::train) != nullptr) continue;
    fail(ExitCode::kConfig,
         "{}: round {} is to start from round {}, whose weights were removed when it was measured. "
         "Set rounds back, or begin another study_dir with more rounds (keep_weights: true keeps "
         "weights)",
         folder.root().string(),
         round + 1,
         round);
  }
}

// What can be known of all runs before the first one works: files that are missing, settings of a
// judge, weights that are gone. Of one seed; the others have the same.
void check_before_work(const std::vector<const StudyRun*>& runs,
                       Clock& clock,
                       const StopFlag& stop) {
  for (const StudyRun* each : runs) {
    const StudyRun& run = *each;
    const std::string who = fmt::format("task {}, arm {}", run.task, run.arm);
    try {
      require_weights_to_go_on(run);
      if (run.seed != runs.front()->seed || is_begun(run)) continue;
      const RunPlan plan = make_plan(run.config, /*probe=*/false, clock, stop);
      if (plan.judge_problem) throw *plan.judge_problem;
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", who, error.what()));
    }
  }
}

}  // namespace

StudyOutcome run_study(const Study& study,
                       std::optional<int64_t> seed,
                       Clock& clock,
                       StopFlag& stop,
                       const std::function<void()>& after_run) {
  fs::create_directories(study.folder);
  const RunLock lock(study.folder);
  const std::vector<const StudyRun*> runs = runs_to_do(study, seed);
  check_before_work(runs, clock, stop);
  const AddedResults added(study);
  Endings endings = known_endings(study);
  std::erase_if(endings,
                [&](const StudyEnding& row) { return row.seed == seed.value_or(row.seed); });
  bool has_worked = false;
  for (size_t n = 0; n < runs.size(); ++n) {
    const StudyRun& run = *runs[n];
    log_info(
        "study, run {} of {}: {}, {}, seed {}", n + 1, runs.size(), run.task, run.arm, run.seed);
    fs::create_directories(fs::path(run.config.run_dir).parent_path());
    try {
      share_with_first(run, first_arm_of(study, run));
      has_worked = run_rounds(run.config, clock, stop) || has_worked;
    } catch (const Error& error) {
      if (!is_of_one_arm(error)) throw;
      log_warning("{}, {}, seed {} ends here: {}", run.task, run.arm, run.seed, error.what());
      endings.push_back(
          {.task = run.task, .arm = run.arm, .seed = run.seed, .reason = error.what()});
    }
    (void)publish_results(study, added, endings);
    after_run();
  }
  endings = publish_results(study, added, endings);
  const auto ended_early = std::count_if(endings.begin(), endings.end(), [&](const auto& row) {
    return row.seed == seed.value_or(row.seed);
  });
  return {.has_worked = has_worked, .ended_early = ended_early};
}

std::vector<const StudyRun*> runs_to_do(const Study& study, std::optional<int64_t> seed) {
  const AddedResults added(study);
  std::vector<const StudyRun*> runs;
  for (const StudyRun& run : study.runs) {
    if (run.seed == seed.value_or(run.seed) && !added.has(run)) runs.push_back(&run);
  }
  return runs;
}

void publish_study_results(const Study& study) {
  const RunLock lock(study.folder);
  (void)publish_results(study, AddedResults(study), known_endings(study));
}

}  // namespace thoughtrank
