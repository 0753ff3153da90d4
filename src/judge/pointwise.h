// Judges that give each answer a score by itself: likelihood (the pipeline's scorer) and reference.
#pragma once

#include <string>
#include <vector>

#include "judge/candidates.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/llm/ledger.h"

namespace thoughtrank {

class PointwiseJudge {
 public:
  // `scorer` for kind likelihood; its scores are remembered in the ledger.
  PointwiseJudge(const JudgeOptions& options, AnswerScorer scorer, Ledger& ledger)
      : options_(options), scorer_(std::move(scorer)), ledger_(ledger) {}

  // Error(kConfig | kBadData) before any work when a prompt cannot be judged.
  void check(const PromptRow& prompt) const;
  [[nodiscard]] std::vector<double> score(const PromptRow& prompt,
                                          const std::vector<std::string>& answers);

 private:
  const JudgeOptions& options_;
  AnswerScorer scorer_;
  Ledger& ledger_;
};

// The prompt's verdict row: its candidates best first, with their scores.
[[nodiscard]] VerdictRow pointwise_verdict(const PromptRow& prompt,
                                           const Candidates& candidates,
                                           const std::vector<double>& scores,
                                           const std::string& judge,
                                           int64_t round);

}  // namespace thoughtrank
