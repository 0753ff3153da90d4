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
  RankingJudge(const Judge::Setup& setup, const JudgeOptions& options, Ledger& ledger);
  ~RankingJudge();

  [[nodiscard]] const std::string& name() const { return connection_.name; }
  // Tells this judge from an earlier one of the same name in the verdict rows.
  void rename(std::string name) { connection_.name = std::move(name); }
  // Asks this judge for rankings, once it is known how; refers to *this.
  [[nodiscard]] RankCaller open_caller();
  [[nodiscard]] int64_t system_tokens() const;
  [[nodiscard]] double max_abstained() const { return options_.max_abstained; }
  [[nodiscard]] int64_t import_batch(const std::filesystem::path& file);
  [[nodiscard]] std::vector<EvalVerdict> evaluate(const std::vector<EvalTask>& tasks,
                                                  Progress& progress);
  [[nodiscard]] std::string probe();
  // The verdict rows of each task's answers, shown whole in `showings` orders.
  [[nodiscard]] std::vector<VerdictRow> rank_whole(const std::vector<JudgeTask>& tasks,
                                                   int64_t showings,
                                                   Progress& progress);

 private:
  void settle();
  void require_no_batch_out() const;
  [[nodiscard]] RankCaller make_caller();

  const JudgeOptions options_;
  Ledger& ledger_;
  Clock& clock_;
  StreamKey key_;
  std::string rubric_;
  Connection connection_;
  std::filesystem::path batch_export_;
  std::unique_ptr<Client> client_;
};

}  // namespace thoughtrank
