// A judge that ranks groups of answers: a server, a program, or the ledger of an earlier run.
// Composes connection, channel and tournament.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "judge/rank_caller.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/llm/channel.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

class RankingJudge {
 public:
  // Throws Error(kConfig | kCredentials | kMissingInput) for settings that cannot work.
  RankingJudge(const Judge::Setup& setup, const JudgeServer& judge, Ledger& ledger);

  [[nodiscard]] const std::string& name() const { return connection_.name; }
  // Tells this judge from an earlier one of the same name in the verdict rows.
  void rename(std::string name) { connection_.name = std::move(name); }
  // Asks this judge for rankings, once it is known how; refers to *this.
  [[nodiscard]] RankCaller open_caller();
  [[nodiscard]] int64_t system_tokens() const;
  [[nodiscard]] double max_abstained() const { return judge_.max_abstained; }
  [[nodiscard]] int64_t import_batch(const std::filesystem::path& file);
  [[nodiscard]] std::vector<EvalVerdict> evaluate(const std::vector<EvalTask>& tasks,
                                                  Progress& progress);
  [[nodiscard]] std::string probe();
  // Returns the verdict rows of each task's answers, shown whole in `showings` orders.
  [[nodiscard]] std::vector<VerdictRow> rank_whole(const std::vector<JudgeTask>& tasks,
                                                   int64_t showings,
                                                   Progress& progress);

 private:
  void settle_dialect();
  [[nodiscard]] bool exports() const { return !channel_options_.batch_export.empty(); }
  void require_no_batch_out() const;
  [[nodiscard]] RankCaller make_caller();

  const JudgeServer judge_;
  const int64_t max_input_tokens_;
  Ledger& ledger_;
  Clock& clock_;
  StreamKey key_;
  std::string rubric_;
  Connection connection_;
  ChannelOptions channel_options_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace thoughtrank
