#include "judge/cut_answers.h"

#include "thoughtrank/data/cut_answers.h"

namespace thoughtrank {

CutAnswers count_cut_answers(const std::vector<JudgeTask>& tasks,
                             const std::vector<BestOutputRow>& best) {
  CutAnswers cut;
  for (size_t t = 0; t < tasks.size(); ++t) {
    const bool has_winner = best[t].status == SelectionStatus::trained;
    cut.of_winners += has_winner ? 1 : 0;
    for (const OutputRow& output : tasks[t].outputs) {
      const bool is_cut = output.finish == Finish::length;
      cut.of_answers += 1;
      cut.answers += is_cut ? 1 : 0;
      cut.winners += is_cut && has_winner && output.branch == best[t].winner ? 1 : 0;
    }
  }
  return cut;
}

std::string cut_finding(const CutAnswers& cut) {
  if (are_many_cut(cut.winners, cut.of_winners)) {
    return fmt::format(
        "{} of {} winners were cut at generate.answer_tokens: the model is trained on answers "
        "without an end. Raise it, or leave such answers out with judge.drop.truncated: true",
        cut.winners,
        cut.of_winners);
  }
  if (are_many_cut(cut.answers, cut.of_answers)) {
    return fmt::format(
        "{} of {} answers were cut at generate.answer_tokens: the judge ranks unfinished answers. "
        "Raise it, or ask for shorter answers",
        cut.answers,
        cut.of_answers);
  }
  return "";
}

}  // namespace thoughtrank
