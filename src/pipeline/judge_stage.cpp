// Round N, judge: the answers are ranked, the winners become training rows.
#include <map>

#include "pipeline/select_rows.h"
#include "pipeline/stages.h"
#include "pipeline/thought_lift.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

namespace {

// The verdicts on a round, and what the journal says of the judge.
struct Judgement {
  std::vector<BestOutputRow> best;
  std::vector<VerdictRow> verdicts;
  std::string judge;
  double spent_usd = 0;
};

// The judge and whatever model it holds are gone when this returns.
Judgement judge_answers(Session& session, const std::vector<JudgeTask>& tasks, int64_t round) {
  const auto judge = open_judge(session, round);
  Progress progress({.stage = fmt::format("round {} judge", round),
                     .unit = "prompts",
                     .total = static_cast<int64_t>(tasks.size()),
                     .already_done = 0,
                     .rate_unit = "answers"},
                    session.clock);
  Judgement judgement;
  for (JudgedPrompt& prompt : judge->judge(tasks, progress)) {
    judgement.best.push_back(std::move(prompt.best));
    judgement.verdicts.insert(
        judgement.verdicts.end(), prompt.verdicts.begin(), prompt.verdicts.end());
  }
  progress.finish();
  judgement.judge = judge->name();
  const SelectControl control = session.config.select.control;
  if (!follows_judge(control)) judgement.judge = word_of(control, kSelectControls) + ", a control";
  judgement.spent_usd = judge->spent_usd();
  return judgement;
}

std::vector<ThoughtRow> measure_lift(Session& session,
                                     const std::vector<JudgeTask>& tasks,
                                     const std::vector<BestOutputRow>& best,
                                     int64_t round) {
  Progress progress({.stage = fmt::format("round {} lift", round),
                     .unit = "winners",
                     .total = 0,
                     .already_done = 0,
                     .rate_unit = "tok"},
                    session.clock);
  return measure_thoughts({.config = session.config,
                           .texts = session.texts,
                           .compute = session.compute,
                           .model_folder = session.model_folder(round - 1),
                           .round = round,
                           .store = session.folder.thoughts(round),
                           .stop = session.stop},
                          tasks,
                          best,
                          progress);
}

void warn_findings(const Json& found) {
  for (const Json& finding : found["findings"]) {
    log_warning("judge: {}", finding.get<std::string>());
  }
}

}  // namespace

StageReport judge_stage(Session& session, int64_t round) {
  const auto tasks = read_judge_tasks(session.folder, round);
  auto [best, verdicts, judge, spent_usd] = judge_answers(session, tasks, round);
  publish_rows(session.folder.file(round, RoundFile::verdicts), verdicts);
  const Json audit = audit_round(tasks, verdicts, best, session.config.judge, round);
  publish_file(session.folder.file(round, RoundFile::audit), audit.dump(2) + "\n");
  warn_findings(audit);
  check_gates(audit, session.config.judge);

  const auto thoughts = measure_lift(session, tasks, best, round);
  publish_rows(session.folder.file(round, RoundFile::thoughts), thoughts);
  require_lift(best, thoughts, session.config.select);
  const Json summary = summarise_round(tasks, best, thoughts, session.config.judge, round);
  publish_file(session.folder.file(round, RoundFile::summary), summary.dump(2) + "\n");
  warn_findings(summary);
  const auto counts = publish_selected_rows(
      session.folder.round(round), tasks, best, session.config, session.texts.tokenizer.get());
  return {.units = static_cast<int64_t>(tasks.size()),
          .unit = "prompts",
          .facts = {{"judge", judge}, {"status", counts}, {"spent_usd", spent_usd}}};
}

}  // namespace thoughtrank
