// A judge that ranks groups of answers: a server, a program, or the ledger of an earlier run.
// Composes protocol, transport, client and tournament.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "judge/client.h"
#include "judge/protocol.h"
#include "judge/rank_caller.h"
#include "judge/tournament.h"
#include "thoughtrank/core/progress.h"

namespace thoughtrank {

class RankingJudge {
 public:
  // Error(kConfig | kCredentials | kMissingInput) for settings that cannot work.
  RankingJudge(const Judge::Setup& setup, const JudgeOptions& options, Ledger& ledger);
  ~RankingJudge();

  [[nodiscard]] const std::string& name() const { return name_; }
  // Tells this judge from an earlier one of the same name in the verdict rows.
  void rename(std::string name) { name_ = std::move(name); }
  // Asks this judge for rankings, once it is known how; refers to *this.
  [[nodiscard]] RankCaller open_caller();
  [[nodiscard]] int64_t system_tokens() const;
  [[nodiscard]] double max_abstained() const { return options_.max_abstained; }
  [[nodiscard]] std::vector<EvalVerdict> evaluate(const std::vector<EvalTask>& tasks,
                                                  Progress& progress);
  [[nodiscard]] std::string probe();
  // The verdict rows of each task's answers, shown whole in `showings` orders.
  [[nodiscard]] std::vector<VerdictRow> rank_whole(const std::vector<JudgeTask>& tasks,
                                                   int64_t showings,
                                                   Progress& progress);

 private:
  void connect(const Judge::Setup& setup);
  void settle();

  const JudgeOptions options_;
  Ledger& ledger_;
  Clock& clock_;
  StreamKey key_;
  std::string name_;
  std::string endpoint_;
  std::string rubric_;
  std::shared_ptr<const Secret> secret_;
  std::unique_ptr<Protocol> protocol_;
  ChatProtocol* chat_ = nullptr;  // protocol_ when it is one
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Client> client_;
};

}  // namespace thoughtrank
