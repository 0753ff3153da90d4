#include "judge/select.h"

#include <algorithm>
#include <set>
#include <utility>

#include "judge/select_control.h"
#include "judge/verdict_stage.h"

namespace thoughtrank {
namespace {

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

// Scores cannot be fitted as rankings, nor rankings read as scores.
void require_same_nature(const std::vector<VerdictRow>& verdicts, JudgeKind kind) {
  for (const VerdictRow& row : verdicts) {
    if (row.abstained || row.stage == VerdictStage::anchor) continue;
    if (row.scores.empty() != gives_scores(kind)) return;
    fail(ExitCode::kConfig,
         "the verdicts are {} that {} gave, but judge.kind is {}. Put judge.kind back: winners are "
         "chosen from the verdicts that are there",
         row.scores.empty() ? "rankings" : "scores",
         row.judge,
         word_of(kind, kJudgeKinds));
  }
}

// A round as the fit sees it.
struct Material {
  std::vector<std::vector<const VerdictRow*>> rows;  // by task
  std::vector<Candidates> candidates;                // by task
  std::map<std::string, JudgeScale> scales;          // by judge
  double sigma = 1;
};

Material gather(const std::vector<JudgeTask>& tasks,
                const std::vector<VerdictRow>& verdicts,
                const JudgeOptions& judge) {
  const RowsByPrompt rows = rows_by_prompt(verdicts);
  Material material;
  for (const JudgeTask& task : tasks) {
    const auto found = rows.find(task.prompt.prompt_id);
    material.rows.push_back(found == rows.end() ? std::vector<const VerdictRow*>() : found->second);
  }
  material.candidates = candidates_of(tasks, judge);
  if (gives_scores(judge.first.kind)) return material;
  material.scales = scale_by_judge(material.candidates, material.rows);
  material.sigma = largest_sigma(material.scales);
  return material;
}

}  // namespace

RowsByPrompt rows_by_prompt(const std::vector<VerdictRow>& verdicts) {
  RowsByPrompt rows;
  for (const VerdictRow& row : verdicts) {
    if (row.stage != VerdictStage::anchor) rows[row.prompt_id].push_back(&row);
  }
  for (auto& [prompt, list] : rows) {
    std::sort(
        list.begin(), list.end(), [](const auto* a, const auto* b) { return a->call < b->call; });
  }
  return rows;
}

std::vector<Candidates> candidates_of(const std::vector<JudgeTask>& tasks,
                                      const JudgeOptions& judge) {
  std::vector<Candidates> all;
  for (const JudgeTask& task : tasks) {
    Candidates& candidates = all.emplace_back(collect_candidates(task, judge.drop));
    if (judge.scheme.length_control) candidates.lengths = standard_lengths(candidates.items);
  }
  return all;
}

std::map<std::string, JudgeScale> scale_by_judge(
    const std::vector<Candidates>& candidates,
    const std::vector<std::vector<const VerdictRow*>>& rows) {
  std::set<std::string> names;
  for (const auto& of_task : rows) {
    for (const VerdictRow* row : of_task) names.insert(row->judge);
  }
  std::map<std::string, JudgeScale> scales;
  for (const std::string& name : names) {
    std::vector<RankingSet> sets;
    for (size_t t = 0; t < rows.size(); ++t) {
      std::vector<const VerdictRow*> mine;
      for (const VerdictRow* row : rows[t]) {
        if (row->judge == name) mine.push_back(row);
      }
      sets.push_back(rankings_of(candidates[t], mine));
    }
    scales[name] = estimate_judge_scale(std::move(sets));
  }
  return scales;
}

namespace {

// Verdicts that other rules were judged by may lack a prompt.
void require_judged(const JudgeTask& task,
                    const Candidates& candidates,
                    const std::vector<const VerdictRow*>& rows) {
  if (!rows.empty() || candidates.items.empty()) return;
  fail(ExitCode::kConfig,
       "prompt '{}' has {} answers to rank and no verdict: its round was judged by other rules "
       "(judge.drop, select.control). Set them as they were, or judge the round anew in a fork "
       "(--fork-from)",
       task.prompt.prompt_id,
       candidates.items.size());
}

}  // namespace

std::vector<BestOutputRow> select(const std::vector<JudgeTask>& tasks,
                                  const std::vector<VerdictRow>& verdicts,
                                  const JudgeOptions& judge,
                                  const SelectOptions& select,
                                  uint64_t seed,
                                  int64_t round) {
  const JudgeKind kind = judge.first.kind;
  const bool has_verdicts = follows_judge(select.control);
  if (has_verdicts) require_same_nature(verdicts, kind);
  const Material material = gather(tasks, verdicts, judge);
  std::vector<BestOutputRow> best;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const Candidates& candidates = material.candidates[t];
    const std::vector<const VerdictRow*>& rows = material.rows[t];
    const StreamKey key{
        .seed = seed, .round = round, .prompt = stable_hash(tasks[t].prompt.prompt_id)};
    BestOutputRow row;
    if (!has_verdicts) {
      row = select_by_control(tasks[t], candidates, select.control, key);
    } else if (gives_scores(kind)) {
      require_judged(tasks[t], candidates, rows);
      const auto scores = rows.empty() ? std::vector<double>() : scores_of(candidates, *rows[0]);
      row = select_by_scores(candidates, scores, kind == JudgeKind::reference, select, key);
    } else {
      const RankingSet rankings = rankings_of(candidates, rows, material.scales);
      row = select_by_rankings(candidates, rankings, material.sigma, select, key);
    }
    if (has_verdicts) draw_thoughts(row, candidates, key);
    row.prompt_id = tasks[t].prompt.prompt_id;
    row.round = round;
    row.calls = static_cast<int64_t>(rows.size());
    for (const VerdictRow* verdict : rows) row.usd += verdict->usd;
    best.push_back(std::move(row));
  }
  return best;
}

void require_lift(std::vector<BestOutputRow>& best,
                  const std::vector<ThoughtRow>& thoughts,
                  const SelectOptions& select) {
  if (!select.min_lift) return;
  std::map<std::pair<std::string, int64_t>, double> lifts;
  for (const ThoughtRow& row : thoughts) lifts[{row.prompt_id, row.branch}] = row.lift;
  for (BestOutputRow& row : best) {
    if (row.status != SelectionStatus::trained) continue;
    const auto found = lifts.find({row.prompt_id, row.winner});
    if (found != lifts.end() && found->second >= *select.min_lift) continue;
    row.status = SelectionStatus::uncertain;
    row.reason = found == lifts.end() ? "its lift was not measured, select.min_lift asks for one"
                                      : fmt::format("lift {:.2f} is below select.min_lift {}",
                                                    found->second,
                                                    *select.min_lift);
  }
}

}  // namespace thoughtrank
