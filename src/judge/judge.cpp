#include "thoughtrank/judge/judge.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <utility>

#include "judge/candidates.h"
#include "judge/pointwise.h"
#include "judge/ranking_judge.h"
#include "judge/ranking_round.h"
#include "judge/self_test.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/llm/ledger.h"

namespace thoughtrank {
namespace {

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
    check_kinds();
    if (gives_scores(setup.options.first.kind)) return;
    std::map<std::string, int> seen;
    for (const JudgeServer& judge : all_judges(setup.options)) {
      ranking.push_back(std::make_unique<RankingJudge>(setup, judge, ledger));
      const std::string name = ranking.back()->name();
      if (const int number = ++seen[name]; number > 1) {
        ranking.back()->rename(fmt::format("{} #{}", name, number));
      }
    }
  }

  // Settings that no judge of these kinds can follow.
  void check_kinds() const {
    const JudgeOptions& options = setup.options;
    if (options.first.kind == JudgeKind::likelihood && !setup.scorer) {
      fail(ExitCode::kInternal, "judge.kind likelihood needs an answer scorer");
    }
    if (gives_scores(options.first.kind)) return check_scoring();
    if (!setup.batch_export.empty() && !options.others.empty()) {
      fail(ExitCode::kConfig, "batch files hold one judge's calls: empty judge.others first");
    }
    for (const JudgeServer& judge : all_judges(options)) {
      if (!gives_scores(judge.kind)) continue;
      fail(ExitCode::kConfig,
           "judge.others: kind {} gives scores and cannot join judges that rank",
           word_of(judge.kind, kJudgeKinds));
    }
  }

  void check_scoring() const {
    const std::string kind = word_of(setup.options.first.kind, kJudgeKinds);
    if (setup.options.scheme.length_control) {
      fail(ExitCode::kConfig,
           "judge.length_control is part of the fit of rankings, judge.kind {} gives scores. Set "
           "it to false",
           kind);
    }
    if (setup.options.others.empty()) return;
    fail(ExitCode::kConfig,
         "judge.others: judge.kind {} gives scores, others can only join judges that rank. "
         "Remove the others",
         kind);
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
            pointwise_verdict(task.prompt, candidates, scores, kind_word(), setup.round));
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
        pointwise_verdict(task.prompt, one, scores, kind_word(), setup.round));
    return verdict;
  }

  [[nodiscard]] std::string kind_word() const {
    return word_of(setup.options.first.kind, kJudgeKinds);
  }

  // All judges, ready to be asked.
  struct OpenJudges {
    std::deque<RankCaller> callers;
    std::vector<RoundJudge> judges;
    int64_t system_tokens = 0;  // tokens of the longest system text
  };

  OpenJudges open_judges() {
    OpenJudges open;
    for (const auto& judge : ranking) {
      open.callers.push_back(judge->open_caller());
      open.judges.push_back(
          {.caller = &open.callers.back(), .max_abstained = judge->max_abstained()});
      open.system_tokens = std::max(open.system_tokens, judge->system_tokens());
    }
    return open;
  }

  [[nodiscard]] StreamKey round_key() const {
    return {.seed = setup.seed, .round = setup.round, .prompt = 0};
  }

  std::vector<VerdictRow> rank_round(const std::vector<JudgeTask>& tasks, Progress& progress) {
    const OpenJudges open = open_judges();
    std::vector<VerdictRow> rows;
    for (const std::vector<VerdictRow>& judged : run_ranking_round(
             tasks, setup.options, round_key(), open.system_tokens, open.judges, progress)) {
      rows.insert(rows.end(), judged.begin(), judged.end());
    }
    return rows;
  }

  // Of a round; none where a control chooses the winners.
  std::vector<VerdictRow> verdicts_on(const std::vector<JudgeTask>& tasks, Progress& progress) {
    if (!follows_judge(setup.select.control)) return {};
    return ranking.empty() ? score_round(tasks, progress) : rank_round(tasks, progress);
  }

  void overlap(const std::vector<JudgeTask>& tasks, Progress& progress) {
    const OpenJudges open = open_judges();
    overlap_ranking_round(
        tasks, setup.options, round_key(), open.system_tokens, open.judges, progress);
  }

  // Every judge's verdicts on each task; the win is their mean.
  std::vector<EvalVerdict> compare(const std::vector<EvalTask>& tasks, Progress& progress) {
    std::vector<EvalVerdict> all(tasks.size());
    progress.set_total(static_cast<int64_t>(tasks.size() * ranking.size()));
    std::vector<std::vector<double>> wins(tasks.size());
    for (const auto& judge : ranking) {
      const auto verdicts = judge->evaluate(tasks, progress);
      for (size_t t = 0; t < tasks.size(); ++t) {
        if (verdicts[t].win) wins[t].push_back(*verdicts[t].win);
        const auto& rows = verdicts[t].verdicts;
        all[t].verdicts.insert(all[t].verdicts.end(), rows.begin(), rows.end());
      }
    }
    for (size_t t = 0; t < tasks.size(); ++t) {
      if (wins[t].empty()) continue;
      all[t].win = std::accumulate(wins[t].begin(), wins[t].end(), 0.0) /
                   static_cast<double>(wins[t].size());
    }
    return all;
  }

  Setup setup;
  Ledger ledger;
  PointwiseJudge pointwise;
  std::vector<std::unique_ptr<RankingJudge>> ranking;  // of the other kinds; the first judge first
};

Judge::Judge(Setup setup) : impl_(std::make_unique<Impl>(std::move(setup))) {}
Judge::~Judge() = default;

bool Judge::is_pointwise() const { return impl_->ranking.empty(); }

std::string Judge::name() const {
  if (is_pointwise()) return impl_->kind_word();
  std::string names;
  for (const auto& judge : impl_->ranking) names += (names.empty() ? "" : ", ") + judge->name();
  return names;
}

std::vector<JudgedPrompt> Judge::judge(const std::vector<JudgeTask>& tasks, Progress& progress) {
  const Setup& setup = impl_->setup;
  log_dropped(tasks, setup.options.drop);
  const std::vector<VerdictRow> rows = impl_->verdicts_on(tasks, progress);
  const std::vector<BestOutputRow> best =
      select(tasks, rows, setup.options, setup.select, setup.seed, setup.round);
  std::map<std::string, std::vector<VerdictRow>> of_prompt;
  for (const VerdictRow& row : rows) of_prompt[row.prompt_id].push_back(row);
  std::vector<JudgedPrompt> judged;
  for (size_t t = 0; t < tasks.size(); ++t) {
    judged.push_back(
        {.best = best[t], .verdicts = std::move(of_prompt[tasks[t].prompt.prompt_id])});
  }
  return judged;
}

void Judge::overlap(const std::vector<JudgeTask>& tasks, Progress& progress) {
  if (!is_pointwise()) impl_->overlap(tasks, progress);
}

int64_t Judge::import_batch(const std::filesystem::path& file) {
  if (is_pointwise()) {
    fail(ExitCode::kConfig, "judge.kind {} makes no calls: there is nothing to import", name());
  }
  return impl_->ranking.front()->import_batch(file);
}

int64_t Judge::discard_batch() { return impl_->ledger.discard_exported(); }

std::vector<EvalVerdict> Judge::evaluate(const std::vector<EvalTask>& tasks, Progress& progress) {
  if (!is_pointwise()) return impl_->compare(tasks, progress);
  for (const EvalTask& task : tasks) impl_->pointwise.check(task.prompt);
  std::vector<EvalVerdict> verdicts;
  for (const EvalTask& task : tasks) {
    impl_->setup.stop.throw_if_set();
    verdicts.push_back(impl_->score_one(task));
    progress.advance(1, 1);
  }
  return verdicts;
}

std::string Judge::probe() {
  std::string reasons;
  for (const auto& judge : impl_->ranking) {
    const std::string reason = judge->probe();
    if (!reason.empty()) reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  return reasons;
}

std::vector<Judge::TestResult> Judge::test(const std::vector<JudgeTask>& tasks,
                                           Progress& progress) {
  std::vector<TestResult> results;
  for (const auto& judge : impl_->ranking) {
    const auto rows = judge->rank_whole(tasks, kSelfTestShowings, progress);
    results.push_back(examine(judge->name(), rows, judge->max_abstained()));
  }
  if (!is_pointwise()) return results;
  std::vector<VerdictRow> rows;
  for (const JudgeTask& task : tasks) {
    impl_->setup.stop.throw_if_set();
    Candidates whole;  // every answer, the same one twice
    std::vector<std::string> answers;
    for (const OutputRow& output : task.outputs) {
      whole.items.push_back({.branch = output.branch, .multiplicity = 1, .answer = output.answer});
      answers.push_back(output.answer);
    }
    const std::vector<double> scores = impl_->pointwise.score(task.prompt, answers);
    rows.push_back(pointwise_verdict(task.prompt, whole, scores, name(), impl_->setup.round));
    progress.advance(1, static_cast<int64_t>(answers.size()));
  }
  return {examine(name(), rows, /*max_abstained=*/0)};
}

double Judge::spent_usd() const { return impl_->ledger.spent_usd(); }

}  // namespace thoughtrank
