#include "thoughtrank/judge/judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "judge/candidates.h"
#include "judge/ledger.h"
#include "judge/pointwise.h"
#include "judge/ranking_judge.h"
#include "judge/ranking_round.h"
#include "judge/selection.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

bool is_pointwise_kind(const std::string& kind) {
  return kind == "likelihood" || kind == "reference";
}

StreamKey key_of(uint64_t seed, int64_t round, const PromptRow& prompt) {
  return {.seed = seed, .round = round, .prompt = stable_hash(prompt.prompt_id)};
}

// Each prompt's rows, in call order.
std::map<std::string, std::vector<const VerdictRow*>> by_prompt(
    const std::vector<VerdictRow>& verdicts) {
  std::map<std::string, std::vector<const VerdictRow*>> rows;
  for (const VerdictRow& row : verdicts) {
    if (row.stage != "anchor") rows[row.prompt_id].push_back(&row);
  }
  for (auto& [prompt, list] : rows) {
    std::sort(
        list.begin(), list.end(), [](const auto* a, const auto* b) { return a->call < b->call; });
  }
  return rows;
}

// The scores of the candidates; candidates that the row does not know are an error: the row was
// made under other drop options.
std::vector<double> scores_of(const Candidates& candidates, const VerdictRow& row) {
  std::vector<double> scores;
  for (const Candidate& item : candidates.items) {
    const auto at = std::find(row.branches.begin(), row.branches.end(), item.branch);
    const auto index = static_cast<size_t>(at - row.branches.begin());
    if (index >= row.scores.size()) {
      fail(ExitCode::kBadData,
           "the verdict on prompt '{}' has no score for branch {}. Was judge.drop changed? Judge "
           "the round again",
           row.prompt_id,
           item.branch);
    }
    scores.push_back(row.scores[index]);
  }
  return scores;
}

void log_dropped(const std::vector<JudgeTask>& tasks, const DropOptions& drop) {
  std::map<std::string, int64_t> dropped;
  int64_t answers = 0, distinct = 0;
  for (const JudgeTask& task : tasks) {
    const Candidates candidates = collect_candidates(task, drop);
    answers += static_cast<int64_t>(task.outputs.size());
    distinct += static_cast<int64_t>(candidates.items.size());
    for (const auto& [reason, count] : candidates.dropped) dropped[reason] += count;
  }
  log_info("judge: {} answers, {} distinct to judge, dropped: {}",
           answers,
           distinct,
           dropped.empty() ? "none" : describe_dropped(dropped));
}

}  // namespace

struct Judge::Impl {
  explicit Impl(Setup given)
      : setup(std::move(given)),
        ledger(setup.ledger),
        pointwise(setup.options, setup.scorer, ledger) {
    if (setup.options.kind == "likelihood" && !setup.scorer) {
      fail(ExitCode::kInternal, "judge.kind likelihood needs an answer scorer");
    }
    if (!is_pointwise_kind(setup.options.kind)) {
      ranking = std::make_unique<RankingJudge>(setup, ledger);
    }
  }

  std::vector<VerdictRow> score_round(const std::vector<JudgeTask>& tasks, Progress& progress) {
    for (const JudgeTask& task : tasks) pointwise.check(task.prompt);
    std::vector<VerdictRow> rows;
    for (const JudgeTask& task : tasks) {
      setup.stop.throw_if_set();
      const Candidates candidates = collect_candidates(task, setup.options.drop);
      std::vector<std::string> answers;
      for (const Candidate& item : candidates.items) answers.push_back(item.answer);
      const std::vector<double> scores = pointwise.score(task.prompt, answers);
      if (!scores.empty()) {
        rows.push_back(
            pointwise_verdict(task.prompt, candidates, scores, setup.options.kind, setup.round));
      }
      progress.advance(1, static_cast<int64_t>(answers.size()));
    }
    return rows;
  }

  std::vector<VerdictRow> rank_round(const std::vector<JudgeTask>& tasks, Progress& progress) {
    std::vector<VerdictRow> rows;
    std::vector<RankingSet> sets;
    const auto judged = ranking->judge(tasks, progress);
    for (size_t t = 0; t < tasks.size(); ++t) {
      std::vector<const VerdictRow*> mine;
      for (const VerdictRow& row : judged[t]) mine.push_back(&row);
      sets.push_back(rankings_of(collect_candidates(tasks[t], setup.options.drop), mine));
      rows.insert(rows.end(), judged[t].begin(), judged[t].end());
    }
    check_sigma(sets);
    return rows;
  }

  void check_sigma(const std::vector<RankingSet>& sets) const {
    const auto known = std::count_if(
        sets.begin(), sets.end(), [](const RankingSet& set) { return !set.rankings.empty(); });
    if (known < static_cast<int64_t>(kSigmaPrompts)) return;
    const double sigma = estimate_sigma(sets);
    if (sigma >= kUselessSigma) return;
    fail(ExitCode::kJudge,
         "this judge cannot tell these answers apart: sigma is {:.2f} over {} prompts, expected at "
         "least {}. Take a better judge or rubric; the replies are kept",
         sigma,
         known,
         kUselessSigma);
  }

  Setup setup;
  Ledger ledger;
  PointwiseJudge pointwise;
  std::unique_ptr<RankingJudge> ranking;  // of the other kinds
};

Judge::Judge(Setup setup) : impl_(std::make_unique<Impl>(std::move(setup))) {}
Judge::~Judge() = default;

bool Judge::is_pointwise() const { return !impl_->ranking; }

std::string Judge::name() const {
  return is_pointwise() ? impl_->setup.options.kind : impl_->ranking->name();
}

std::vector<JudgedPrompt> Judge::judge(const std::vector<JudgeTask>& tasks, Progress& progress) {
  const Setup& setup = impl_->setup;
  log_dropped(tasks, setup.options.drop);
  const std::vector<VerdictRow> rows =
      is_pointwise() ? impl_->score_round(tasks, progress) : impl_->rank_round(tasks, progress);
  const std::vector<BestOutputRow> best =
      select_winners(tasks, rows, setup.options, setup.select, setup.seed, setup.round);
  std::map<std::string, std::vector<VerdictRow>> of_prompt;
  for (const VerdictRow& row : rows) of_prompt[row.prompt_id].push_back(row);
  std::vector<JudgedPrompt> judged;
  for (size_t t = 0; t < tasks.size(); ++t) {
    judged.push_back(
        {.best = best[t], .verdicts = std::move(of_prompt[tasks[t].prompt.prompt_id])});
  }
  return judged;
}

std::vector<EvalVerdict> Judge::evaluate(const std::vector<EvalTask>& tasks, Progress& progress) {
  if (!is_pointwise()) return impl_->ranking->evaluate(tasks, progress);
  for (const EvalTask& task : tasks) impl_->pointwise.check(task.prompt);
  std::vector<EvalVerdict> verdicts;
  for (const EvalTask& task : tasks) {
    impl_->setup.stop.throw_if_set();
    Candidates one;
    one.items.push_back(
        {.branch = 0, .multiplicity = 1, .answer = std::string(trimmed(task.answer))});
    const std::vector<double> scores = impl_->pointwise.score(task.prompt, {one.items[0].answer});
    verdicts.push_back(
        {.score = scores[0],
         .win = std::nullopt,
         .verdicts = {pointwise_verdict(task.prompt, one, scores, name(), impl_->setup.round)}});
    progress.advance(1, 1);
  }
  return verdicts;
}

std::string Judge::probe() { return is_pointwise() ? std::string() : impl_->ranking->probe(); }

double Judge::spent_usd() const { return impl_->ledger.spent_usd(); }

std::vector<BestOutputRow> select_winners(const std::vector<JudgeTask>& tasks,
                                          const std::vector<VerdictRow>& verdicts,
                                          const JudgeOptions& judge,
                                          const SelectOptions& select,
                                          uint64_t seed,
                                          int64_t round) {
  const auto rows = by_prompt(verdicts);
  const std::vector<const VerdictRow*> none;
  std::vector<Candidates> candidates;
  std::vector<RankingSet> sets;
  for (const JudgeTask& task : tasks) {
    const auto found = rows.find(task.prompt.prompt_id);
    candidates.push_back(collect_candidates(task, judge.drop));
    sets.push_back(rankings_of(candidates.back(), found == rows.end() ? none : found->second));
  }
  const bool is_pointwise = is_pointwise_kind(judge.kind);
  const double sigma = is_pointwise ? 1 : estimate_sigma(sets);
  std::vector<BestOutputRow> best;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const StreamKey key = key_of(seed, round, tasks[t].prompt);
    const auto found = rows.find(tasks[t].prompt.prompt_id);
    const auto& mine = found == rows.end() ? none : found->second;
    BestOutputRow row;
    if (is_pointwise) {
      const auto scores = mine.empty() ? std::vector<double>() : scores_of(candidates[t], *mine[0]);
      row = choose_by_scores(candidates[t], scores, judge.kind == "reference", select, key);
    } else {
      row = choose_by_rankings(candidates[t], sets[t], sigma, select, key);
    }
    row.prompt_id = tasks[t].prompt.prompt_id;
    row.round = round;
    row.calls = static_cast<int64_t>(mine.size());
    for (const VerdictRow* verdict : mine) row.usd += verdict->usd;
    best.push_back(std::move(row));
  }
  return best;
}

}  // namespace thoughtrank
