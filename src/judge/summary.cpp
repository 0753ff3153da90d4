// The summary of a round: what its branches were like, and whether exploration still finds
// something.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "judge/candidates.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/judge/reference.h"
#include "thoughtrank/rank/statistics.h"

namespace thoughtrank {
namespace {

// From here on a finding is worth a sentence.
constexpr size_t kFewWinners = 10;
constexpr double kNarrowEntropy = 0.7;  // of the most that so many winners can have
constexpr double kManyUniform = 0.5;    // prompts whose branches all say the same
constexpr double kManyLoops = 0.2;      // branches whose answer repeats itself
constexpr double kFewPositive = 0.5;    // winners whose thought made the answer likelier

// The prompt's answer can be compared with.
bool is_comparable(const PromptRow& prompt, ReferenceMatch match) {
  try {
    require_reference(prompt, match);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// How many branches are right, of the prompts whose answer is known; null where none is.
Json right_answers(const std::vector<JudgeTask>& tasks, ReferenceMatch match) {
  int64_t prompts = 0, branches = 0, right = 0, solved = 0;
  for (const JudgeTask& task : tasks) {
    if (!is_comparable(task.prompt, match)) continue;
    const auto found =
        std::count_if(task.outputs.begin(), task.outputs.end(), [&](const OutputRow& output) {
          return output.finish != Finish::error &&
                 matches_reference(output.answer, task.prompt.answer, match);
        });
    ++prompts;
    branches += std::ssize(task.outputs);
    right += found;
    solved += found > 0 ? 1 : 0;
  }
  if (prompts == 0) return {};
  return {{"match", word_of(match, kReferenceMatches)},
          {"prompts", prompts},
          {"prompts_with_right", solved},
          {"branches", branches},
          {"branches_right", right}};
}

struct Distinct {
  Mean per_prompt;
  int64_t uniform = 0;  // prompts whose branches all say the same
};

Distinct distinct_answers(const std::vector<JudgeTask>& tasks) {
  Distinct distinct;
  for (const JudgeTask& task : tasks) {
    std::set<std::string> answers;
    for (const OutputRow& output : task.outputs) answers.insert(collapsed(output.answer));
    distinct.per_prompt.add(static_cast<double>(answers.size()));
    distinct.uniform += task.outputs.size() > 1 && answers.size() == 1 ? 1 : 0;
  }
  return distinct;
}

double entropy_bits(const std::map<std::string, int64_t>& counts) {
  double sum = 0, bits = 0;
  for (const auto& [word, count] : counts) sum += static_cast<double>(count);
  for (const auto& [word, count] : counts) {
    const double share = static_cast<double>(count) / sum;
    bits -= share * std::log2(share);
  }
  return bits;
}

// Characters that the winners' thoughts begin with; the most bits are those of winners that are
// spread as evenly as their number lets them.
Json winning_chars(const std::vector<JudgeTask>& tasks,
                   const std::vector<BestOutputRow>& best,
                   Json& findings) {
  std::map<std::string, int64_t> counts;
  std::set<std::string> chars;
  size_t winners = 0;
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (const OutputRow& output : tasks[t].outputs) chars.insert(output.char_);
    if (best[t].status != SelectionStatus::trained) continue;
    for (const OutputRow& output : tasks[t].outputs) {
      if (output.branch == best[t].winner) ++counts[output.char_];
    }
    ++winners;
  }
  if (winners == 0) return {};
  const double bits = entropy_bits(counts);
  const double most = std::log2(static_cast<double>(std::min(winners, chars.size())));
  const auto top = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return a.second < b.second;
  });
  if (winners >= kFewWinners && bits < kNarrowEntropy * most) {
    findings.push_back(
        fmt::format("exploration narrows: {} of {} winners begin with '{}', the winning characters "
                    "have {:.1f} of at most {:.1f} bits",
                    top->second,
                    winners,
                    top->first,
                    bits,
                    most));
  }
  return {{"winners", winners},
          {"distinct", counts.size()},
          {"entropy_bits", bits},
          {"most_bits", most},
          {"counts", counts}};
}

// The value that `share` of all do not exceed.
int64_t quantile(std::vector<int64_t> values, double share) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

Json lengths(const std::vector<int64_t>& values) {
  if (values.empty()) return {};
  constexpr double kMedian = 0.5, kMost = 0.9;
  return {{"median", quantile(values, kMedian)}, {"p90", quantile(values, kMost)}};
}

// How the branches ended, and how long they are.
void add_ends(const std::vector<JudgeTask>& tasks, Json& summary, Json& findings) {
  std::vector<int64_t> thoughts, answers;
  int64_t cut = 0, looped = 0, closed = 0;
  for (const JudgeTask& task : tasks) {
    for (const OutputRow& output : task.outputs) {
      thoughts.push_back(output.answer_start);
      answers.push_back(std::ssize(output.token_ids) - output.answer_start);
      cut += output.finish == Finish::length ? 1 : 0;
      looped += output.finish == Finish::loop ? 1 : 0;
      closed += output.thought_end == ThoughtEnd::model ? 1 : 0;
    }
  }
  summary["branches"] = answers.size();
  summary["thought_tokens"] = lengths(thoughts);
  summary["answer_tokens"] = lengths(answers);
  summary["answers_cut"] = cut;
  summary["answers_looped"] = looped;
  summary["thoughts_closed"] = closed;
  const auto all = static_cast<double>(answers.size());
  if (looped > 1 && static_cast<double>(looped) >= kManyLoops * all) {
    findings.push_back(
        fmt::format("{} of {} answers repeat themselves without an end", looped, answers.size()));
  }
}

// What the winners' thoughts did for their answers; null where nothing was measured.
Json lift_of(const std::vector<ThoughtRow>& thoughts, Json& findings) {
  if (thoughts.empty()) return {};
  Mean lift;
  int64_t positive = 0;
  for (const ThoughtRow& row : thoughts) {
    lift.add(row.lift);
    positive += row.lift > 0 ? 1 : 0;
  }
  const auto measured = static_cast<double>(thoughts.size());
  if (thoughts.size() >= kFewWinners && static_cast<double>(positive) < kFewPositive * measured) {
    findings.push_back(
        fmt::format("the thoughts hardly matter: only {} of {} winning answers are likelier with "
                    "their thought than without one",
                    positive,
                    thoughts.size()));
  }
  return {{"winners", thoughts.size()}, {"positive", positive}, {"mean", lift.to_json()}};
}

}  // namespace

Json summarise_round(const std::vector<JudgeTask>& tasks,
                     const std::vector<BestOutputRow>& best,
                     const std::vector<ThoughtRow>& thoughts,
                     const JudgeOptions& options,
                     int64_t round) {
  Json findings = Json::array();
  const Distinct distinct = distinct_answers(tasks);
  if (tasks.size() >= kFewWinners &&
      static_cast<double>(distinct.uniform) >= kManyUniform * static_cast<double>(tasks.size())) {
    findings.push_back(
        fmt::format("little is explored: all branches of {} of {} prompts give the same answer",
                    distinct.uniform,
                    tasks.size()));
  }
  Json summary = {{"round", round}, {"prompts", tasks.size()}};
  add_ends(tasks, summary, findings);
  summary["right"] = right_answers(tasks, options.match);
  summary["distinct_answers"] = distinct.per_prompt.to_json();
  summary["one_answer_prompts"] = distinct.uniform;
  summary["winning_chars"] = winning_chars(tasks, best, findings);
  summary["lift"] = lift_of(thoughts, findings);
  summary["findings"] = findings;
  return summary;
}

}  // namespace thoughtrank
