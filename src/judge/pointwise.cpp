#include "judge/pointwise.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "judge/verdict_stage.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/judge/reference.h"

namespace thoughtrank {
namespace {

std::string note_name(const PromptRow& prompt, const std::vector<std::string>& answers) {
  const Json asked = {{"system", prompt.system},
                      {"prompt", prompt.prompt},
                      {"token_ids", prompt.token_ids},
                      {"answers", answers}};
  return "likelihood " + sha256(dump_json(asked));
}

void check_scores(const std::vector<double>& scores, size_t answers, const std::string& prompt_id) {
  const bool are_finite =
      std::all_of(scores.begin(), scores.end(), [](double score) { return std::isfinite(score); });
  if (scores.size() == answers && are_finite) return;
  fail(ExitCode::kInternal,
       "judge.kind likelihood: expected {} finite scores for prompt '{}', found {}{}",
       answers,
       prompt_id,
       scores.size(),
       are_finite ? "" : ", some not finite");
}

}  // namespace

void PointwiseJudge::check(const PromptRow& prompt) const {
  if (options_.first.kind == JudgeKind::reference) require_reference(prompt, options_.match);
}

std::vector<double> PointwiseJudge::score(const PromptRow& prompt,
                                          const std::vector<std::string>& answers) {
  std::vector<double> scores;
  if (answers.empty()) return scores;
  if (options_.first.kind == JudgeKind::reference) {
    for (const std::string& answer : answers) {
      scores.push_back(matches_reference(answer, prompt.answer, options_.match) ? 1.0 : 0.0);
    }
    return scores;
  }
  const std::string name = note_name(prompt, answers);
  if (const Json* known = ledger_.note(name)) return known->get<std::vector<double>>();
  scores = scorer_(prompt, answers);
  check_scores(scores, answers.size(), prompt.prompt_id);
  ledger_.remember(name, scores);
  return scores;
}

VerdictRow pointwise_verdict(const PromptRow& prompt,
                             const Candidates& candidates,
                             const std::vector<double>& scores,
                             const std::string& judge,
                             int64_t round) {
  VerdictRow row;
  row.prompt_id = prompt.prompt_id;
  row.round = round;
  row.stage = VerdictStage::pointwise;
  row.judge = judge;
  row.attempts = 1;
  row.scores = scores;
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  for (const Candidate& item : candidates.items) row.branches.push_back(item.branch);
  for (const size_t item : order) row.ranking.push_back(row.branches[item]);
  return row;
}

}  // namespace thoughtrank
