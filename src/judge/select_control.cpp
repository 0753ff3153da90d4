#include "judge/select_control.h"

#include <algorithm>
#include <map>
#include <utility>

namespace thoughtrank {
namespace {

// Of a token of the answer, given all before it.
double mean_log_probability(const OutputRow& output) {
  const auto tokens = std::max<int64_t>(1, std::ssize(output.token_ids) - output.answer_start);
  return output.answer_logprob / static_cast<double>(tokens);
}

// The worth of each branch by this control: the higher, the earlier it comes.
std::map<int64_t, double> worths(const JudgeTask& task,
                                 SelectControl control,
                                 const StreamKey& key) {
  RandomStream random = key.stream("random winner");
  std::map<int64_t, double> worth;
  for (const OutputRow& output : task.outputs) {
    worth[output.branch] =
        control == SelectControl::random_winner ? random.uniform() : mean_log_probability(output);
  }
  return worth;
}

}  // namespace

BestOutputRow select_by_control(const JudgeTask& task,
                                const Candidates& candidates,
                                SelectControl control,
                                const StreamKey& key) {
  BestOutputRow row;
  row.status = SelectionStatus::no_candidates;
  row.reason = "no answer that could be judged";
  if (candidates.items.empty()) return row;
  const auto worth = worths(task, control, key);
  for (const Candidate& candidate : candidates.items) {
    const int64_t best = *std::max_element(
        candidate.branches.begin(), candidate.branches.end(), [&](int64_t a, int64_t b) {
          return worth.at(a) < worth.at(b);
        });
    row.items.push_back({.branch = best,
                         .multiplicity = candidate.multiplicity,
                         .branches = candidate.branches,
                         .utility = worth.at(best),
                         .deviation = 0,
                         .p_best = 0});
  }
  std::stable_sort(row.items.begin(), row.items.end(), [](const auto& a, const auto& b) {
    return a.utility > b.utility;
  });
  row.status = SelectionStatus::trained;
  row.reason = "select.control: " + word_of(control, kSelectControls);
  row.winner = row.items[0].branch;
  if (row.items.size() < 2) return row;
  row.runner_up = row.items[1].branch;
  row.worst = row.items.back().branch;
  return row;
}

}  // namespace thoughtrank
