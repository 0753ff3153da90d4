// Equal answers are one candidate; the thought that stands for it is drawn among its branches.
#include <gtest/gtest.h>

#include <set>

#include "judge/candidates.h"
#include "judge/judge_room.h"

namespace thoughtrank {
namespace {

// Of ten branches the even ones say "right", the odd ones "wrong"; scores are of kind likelihood.
JudgeTask two_answers(const std::string& prompt_id) {
  JudgeTask task;
  task.prompt = prompt_row(prompt_id, "Which?");
  for (int64_t branch = 0; branch < 10; ++branch) {
    task.outputs.push_back(output(prompt_id, branch, branch % 2 == 0 ? "right" : "wrong"));
  }
  return task;
}

VerdictRow right_is_better(const std::string& prompt_id) {
  VerdictRow row;
  row.prompt_id = prompt_id;
  row.stage = VerdictStage::pointwise;
  row.judge = "likelihood";
  row.branches = {0, 1};
  row.scores = {2, 1};
  return row;
}

std::vector<BestOutputRow> winners(const std::vector<JudgeTask>& tasks,
                                   uint64_t seed = 7,
                                   int64_t round = 1) {
  JudgeOptions options;
  options.first.kind = JudgeKind::likelihood;
  std::vector<VerdictRow> verdicts;
  for (const JudgeTask& task : tasks) verdicts.push_back(right_is_better(task.prompt.prompt_id));
  return select(tasks, verdicts, options, {}, seed, round);
}

std::vector<JudgeTask> many_prompts(size_t count) {
  std::vector<JudgeTask> tasks;
  for (size_t p = 0; p < count; ++p) tasks.push_back(two_answers("p" + std::to_string(p)));
  return tasks;
}

std::vector<int64_t> winning_branches(const std::vector<BestOutputRow>& rows) {
  std::vector<int64_t> branches;
  for (const BestOutputRow& row : rows) branches.push_back(row.winner);
  return branches;
}

TEST(Draw, ARowSaysWhatWasDrawnAndFromWhich) {
  const BestOutputRow row = winners({two_answers("p")})[0];
  ASSERT_EQ(row.items.size(), 2u);
  EXPECT_EQ(row.items[0].branches, (std::vector<int64_t>{0, 2, 4, 6, 8}));
  EXPECT_EQ(row.items[1].branches, (std::vector<int64_t>{1, 3, 5, 7, 9}));
  EXPECT_EQ(row.items[0].branch % 2, 0);
  EXPECT_EQ(row.items[1].branch % 2, 1);
  EXPECT_EQ(row.items[0].multiplicity, 5);
  EXPECT_EQ(row.winner, row.items[0].branch);
  EXPECT_EQ(row.runner_up, row.items[1].branch);
  EXPECT_EQ(row.worst, row.items[1].branch);
}

TEST(Draw, EachBranchOfAnAnswerIsAsLikely) {
  constexpr size_t kPrompts = 2000;
  std::map<int64_t, int64_t> drawn;
  for (const int64_t branch : winning_branches(winners(many_prompts(kPrompts)))) ++drawn[branch];
  ASSERT_EQ(drawn.size(), 5u);
  // A fifth each, 400 with a deviation of 18.
  for (const auto& [branch, times] : drawn) EXPECT_NEAR(times, 400, 5 * 18) << branch;
}

TEST(Draw, SeedRoundAndPromptDecide) {
  const auto tasks = many_prompts(50);
  const auto first = winning_branches(winners(tasks));
  EXPECT_EQ(winning_branches(winners(tasks)), first);
  EXPECT_NE(winning_branches(winners(tasks, 8, 1)), first);
  EXPECT_NE(winning_branches(winners(tasks, 7, 2)), first);
  // A prompt's draw stands alone: other prompts and the order of its outputs change nothing.
  JudgeTask last = tasks.back();
  std::reverse(last.outputs.begin(), last.outputs.end());
  EXPECT_EQ(winners({last})[0].winner, first.back());
}

TEST(Draw, RankedAnswersAreDrawnToo) {
  std::vector<JudgeTask> tasks = {two_answers("p")};
  for (int64_t branch = 10; branch < 14; ++branch) {
    tasks[0].outputs.push_back(output("p", branch, "third"));
  }
  JudgeOptions options;
  options.first.kind = JudgeKind::command;
  VerdictRow verdict = right_is_better("p");
  verdict.stage = VerdictStage::pass_a;
  verdict.scores.clear();
  verdict.ranking = {0, 1};  // nobody ranked the third
  std::set<int64_t> best, worst;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const BestOutputRow row = select(tasks, {verdict}, options, {}, seed, 1)[0];
    ASSERT_EQ(row.items.size(), 3u);
    EXPECT_EQ(row.winner, row.items[0].branch);
    EXPECT_EQ(row.worst, row.items[1].branch);
    best.insert(row.winner);
    worst.insert(row.worst);
  }
  EXPECT_EQ(best, (std::set<int64_t>{0, 2, 4, 6, 8}));
  EXPECT_EQ(worst, (std::set<int64_t>{1, 3, 5, 7, 9}));
}

TEST(Draw, ThoughtsAndAnswersThatEndedByThemselvesComeFirst) {
  JudgeTask task = two_answers("p");
  const auto drawn_from = [&] { return winners({task})[0].items[0].branches; };
  task.outputs[0].thought_end = ThoughtEnd::cap;
  task.outputs[2].finish = Finish::length;
  task.outputs[4].thought_end = ThoughtEnd::loop;
  EXPECT_EQ(drawn_from(), (std::vector<int64_t>{6, 8}));
  // Where none did, all are as good.
  task.outputs[6].thought_end = ThoughtEnd::eos;
  task.outputs[8].thought_end = ThoughtEnd::cap;
  EXPECT_EQ(drawn_from(), (std::vector<int64_t>{0, 2, 4, 6, 8}));
}

TEST(Draw, TheJudgeStillSeesTheLowestBranch) {
  JudgeTask task = two_answers("p");
  task.outputs[0].thought_end = ThoughtEnd::cap;
  const Candidates found = collect_candidates(task, {});
  ASSERT_EQ(found.items.size(), 2u);
  EXPECT_EQ(found.items[0].branch, 0);
  EXPECT_EQ(found.items[0].multiplicity, 5);
}

// The audit looks answers up by branch, which may be any of those that gave it.
TEST(Draw, AnAuditKnowsTheWinnersAnswers) {
  std::vector<JudgeTask> tasks = many_prompts(20);
  for (JudgeTask& task : tasks) {
    for (OutputRow& row : task.outputs) {
      if (row.answer == "right") row.answer = "the right answer is long";
    }
  }
  JudgeOptions options;
  options.first.kind = JudgeKind::likelihood;
  const Json audit = audit_round(tasks, {}, winners(tasks), options, 1);
  const double gap = audit["chosen_minus_median_length"]["mean"].get<double>();
  EXPECT_DOUBLE_EQ(gap, (24.0 - 5.0) / 2);
  EXPECT_EQ(audit["phrases"][0]["winners"].get<double>(), 1.0) << audit["phrases"].dump();
}

}  // namespace
}  // namespace thoughtrank
