// Round N, judge: the answers are ranked, the winners become training rows.
#include <map>

#include "pipeline/select_rows.h"
#include "pipeline/stages.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

StageReport judge_stage(Session& session, int64_t round) {
  const auto tasks = read_judge_tasks(session.folder, round);
  const auto judge = open_judge(session, round);
  Progress progress({.stage = fmt::format("round {} judge", round),
                     .unit = "prompts",
                     .total = static_cast<int64_t>(tasks.size()),
                     .already_done = 0,
                     .rate_unit = "answers"},
                    session.clock);
  const auto judged = judge->judge(tasks, progress);
  progress.finish();

  std::vector<BestOutputRow> best;
  std::vector<VerdictRow> verdicts;
  for (const JudgedPrompt& prompt : judged) {
    best.push_back(prompt.best);
    verdicts.insert(verdicts.end(), prompt.verdicts.begin(), prompt.verdicts.end());
  }
  publish_rows(session.folder.file(round, RoundFile::verdicts), verdicts);
  const Json audit = audit_round(tasks, verdicts, best, session.config.judge, round);
  publish_file(session.folder.file(round, RoundFile::audit), audit.dump(2) + "\n");
  for (const Json& finding : audit["findings"]) {
    log_warning("judge: {}", finding.get<std::string>());
  }
  check_gates(audit, session.config.judge);
  const auto counts =
      publish_selected_rows(session.folder.round(round), tasks, best, session.config);
  const auto answers = static_cast<int64_t>(tasks.size());
  return {
      .units = answers,
      .unit = "prompts",
      .facts = {{"judge", judge->name()}, {"status", counts}, {"spent_usd", judge->spent_usd()}}};
}

}  // namespace thoughtrank
