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

// The rows of a round, and what they say about the judge.
struct Choice {
  std::vector<BestOutputRow> best;
  double sigma = 1;
  int64_t ranked_prompts = 0;
};

Choice choose(const std::vector<JudgeTask>& tasks,
              const std::vector<VerdictRow>& verdicts,
              const JudgeOptions& judge,
              const SelectOptions& select,
              StreamKey key) {
  const auto rows = by_prompt(verdicts);
  std::vector<std::vector<const VerdictRow*>> mine(tasks.size());
  std::vector<Candidates> candidates;
  std::vector<RankingSet> sets;
  Choice choice;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const auto found = rows.find(tasks[t].prompt.prompt_id);
    if (found != rows.end()) mine[t] = found->second;
    candidates.push_back(collect_candidates(tasks[t], judge.drop));
    sets.push_back(rankings_of(candidates[t], mine[t]));
    choice.ranked_prompts += sets[t].rankings.empty() ? 0 : 1;
  }
  const bool is_pointwise = is_pointwise_kind(judge.kind);
  if (!is_pointwise) choice.sigma = estimate_sigma(sets);
  for (size_t t = 0; t < tasks.size(); ++t) {
    key.prompt = stable_hash(tasks[t].prompt.prompt_id);
    BestOutputRow row;
    if (is_pointwise) {
      const auto scores =
          mine[t].empty() ? std::vector<double>() : scores_of(candidates[t], *mine[t][0]);
      row = choose_by_scores(candidates[t], scores, judge.kind == "reference", select, key);
    } else {
      row = choose_by_rankings(candidates[t], sets[t], choice.sigma, select, key);
    }
    row.prompt_id = tasks[t].prompt.prompt_id;
    row.round = key.round;
    row.calls = static_cast<int64_t>(mine[t].size());
    for (const VerdictRow* verdict : mine[t]) row.usd += verdict->usd;
    choice.best.push_back(std::move(row));
  }
  return choice;
}

void check_sigma(const Choice& choice) {
  if (choice.ranked_prompts < static_cast<int64_t>(kSigmaPrompts)) return;
  if (choice.sigma >= kUselessSigma) return;
  fail(ExitCode::kJudge,
       "this judge cannot tell these answers apart: sigma is {:.2f} over {} prompts, expected at "
       "least {}. Take a better judge or rubric; the replies are kept",
       choice.sigma,
       choice.ranked_prompts,
       kUselessSigma);
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

  // No score where there is no answer: a likelihood of nothing means nothing.
  EvalVerdict score_one(const EvalTask& task) {
    Candidates one;
    one.items.push_back(
        {.branch = 0, .multiplicity = 1, .answer = std::string(trimmed(task.answer))});
    if (one.items[0].answer.empty()) return {};
    const std::vector<double> scores = pointwise.score(task.prompt, {one.items[0].answer});
    EvalVerdict verdict;
    verdict.score = scores[0];
    verdict.verdicts.push_back(
        pointwise_verdict(task.prompt, one, scores, setup.options.kind, setup.round));
    return verdict;
  }

  std::vector<VerdictRow> rank_round(const std::vector<JudgeTask>& tasks, Progress& progress) {
    std::vector<VerdictRow> rows;
    for (const std::vector<VerdictRow>& judged : ranking->judge(tasks, progress)) {
      rows.insert(rows.end(), judged.begin(), judged.end());
    }
    return rows;
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
  const StreamKey key{.seed = setup.seed, .round = setup.round, .prompt = 0};
  const Choice choice = choose(tasks, rows, setup.options, setup.select, key);
  if (!is_pointwise()) check_sigma(choice);
  std::map<std::string, std::vector<VerdictRow>> of_prompt;
  for (const VerdictRow& row : rows) of_prompt[row.prompt_id].push_back(row);
  std::vector<JudgedPrompt> judged;
  for (size_t t = 0; t < tasks.size(); ++t) {
    judged.push_back(
        {.best = choice.best[t], .verdicts = std::move(of_prompt[tasks[t].prompt.prompt_id])});
  }
  return judged;
}

void Judge::judge_ahead(const std::vector<JudgeTask>& tasks, Progress& progress) {
  if (!is_pointwise()) impl_->ranking->judge_ahead(tasks, progress);
}

int64_t Judge::import_batch(const std::filesystem::path& file) {
  if (is_pointwise()) {
    fail(ExitCode::kConfig, "judge.kind {} makes no calls: there is nothing to import", name());
  }
  return impl_->ranking->import_batch(file);
}

std::vector<EvalVerdict> Judge::evaluate(const std::vector<EvalTask>& tasks, Progress& progress) {
  if (!is_pointwise()) return impl_->ranking->evaluate(tasks, progress);
  for (const EvalTask& task : tasks) impl_->pointwise.check(task.prompt);
  std::vector<EvalVerdict> verdicts;
  for (const EvalTask& task : tasks) {
    impl_->setup.stop.throw_if_set();
    verdicts.push_back(impl_->score_one(task));
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
  return choose(tasks, verdicts, judge, select, {.seed = seed, .round = round, .prompt = 0}).best;
}

}  // namespace thoughtrank
