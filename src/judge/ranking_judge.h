// A judge that ranks groups of answers: a server, a program, or the ledger of an earlier run.
// Composes protocol, transport, client and tournament.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "judge/client.h"
#include "judge/connection.h"
#include "judge/rank_caller.h"
#include "judge/tournament.h"
#include "thoughtrank/core/progress.h"

namespace thoughtrank {

class RankingJudge {
 public:
  // Error(kConfig | kCredentials | kMissingInput) for settings that cannot work.
  RankingJudge(const Judge::Setup& setup, Ledger& ledger);
  ~RankingJudge();

  [[nodiscard]] const std::string& name() const { return connection_.name; }
  // The verdict rows of each task.
  [[nodiscard]] std::vector<std::vector<VerdictRow>> judge(const std::vector<JudgeTask>& tasks,
                                                           Progress& progress);
  void judge_ahead(const std::vector<JudgeTask>& tasks, Progress& progress);
  [[nodiscard]] int64_t import_batch(const std::filesystem::path& file);
  [[nodiscard]] std::vector<EvalVerdict> evaluate(const std::vector<EvalTask>& tasks,
                                                  Progress& progress);
  [[nodiscard]] std::string probe();

 private:
  void settle();
  [[nodiscard]] RankCaller open_caller();

  const JudgeOptions& options_;
  Ledger& ledger_;
  Clock& clock_;
  StreamKey key_;
  std::string rubric_;
  Connection connection_;
  std::filesystem::path batch_export_;
  std::unique_ptr<Client> client_;
};

}  // namespace thoughtrank
