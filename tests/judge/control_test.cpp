// Winners that no verdict decides: the controls of a study.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "judge/judge_room.h"
#include "support/expect_error.h"

namespace thoughtrank {
namespace {

// Ten branches, six of which say "right"; branch 7 is the one that the model finds likeliest.
JudgeTask ten_branches(const std::string& prompt_id) {
  JudgeTask task;
  task.prompt = prompt_row(prompt_id, "Which?");
  for (int64_t branch = 0; branch < 10; ++branch) {
    OutputRow row = output(prompt_id, branch, branch < 6 ? "right" : "wrong");
    row.token_ids = {1, 2, 3, 4, 5};
    row.head_len = 1;
    row.answer_start = 3;  // token 3 is the close tag, forced or not
    row.thought_logprob = branch == 7 ? -1 : -2;
    row.answer_logprob = branch == 7 ? -1 : -1.5;
    task.outputs.push_back(row);
  }
  return task;
}

std::vector<JudgeTask> many_prompts(size_t count) {
  std::vector<JudgeTask> tasks;
  for (size_t p = 0; p < count; ++p) tasks.push_back(ten_branches("p" + std::to_string(p)));
  return tasks;
}

std::vector<BestOutputRow> winners(const std::vector<JudgeTask>& tasks,
                                   SelectControl control,
                                   uint64_t seed = 7) {
  JudgeOptions options;
  options.first.kind = JudgeKind::openai;
  SelectOptions select_options;
  select_options.control = control;
  return select(tasks, /*verdicts=*/{}, options, select_options, seed, /*round=*/1);
}

TEST(Control, ARandomWinnerIsAnyBranchAndEachIsAsLikely) {
  constexpr size_t kPrompts = 2000;
  std::map<int64_t, int64_t> drawn;
  for (const BestOutputRow& row : winners(many_prompts(kPrompts), SelectControl::random_winner)) {
    EXPECT_EQ(row.status, SelectionStatus::trained);
    ++drawn[row.winner];
  }
  ASSERT_EQ(drawn.size(), 10u);
  // A tenth each, 200 with a deviation of 13.4.
  for (const auto& [branch, times] : drawn) EXPECT_NEAR(times, 200, 5 * 13.4) << branch;
}

TEST(Control, SeedAndPromptDecideWhoWinsAtRandom) {
  const auto tasks = many_prompts(40);
  const auto branches = [&](uint64_t seed) {
    std::vector<int64_t> found;
    for (const auto& row : winners(tasks, SelectControl::random_winner, seed)) {
      found.push_back(row.winner);
    }
    return found;
  };
  EXPECT_EQ(branches(7), branches(7));
  EXPECT_NE(branches(7), branches(8));
}

TEST(Control, TheLikeliestWinnerHasTheHighestMeanLogProbability) {
  const BestOutputRow row = winners({ten_branches("p")}, SelectControl::likeliest_winner)[0];
  EXPECT_EQ(row.winner, 7);
  EXPECT_DOUBLE_EQ(row.items[0].utility, -1.0 / 2);  // of the answer's two tokens
  EXPECT_EQ(row.runner_up, 0);
  EXPECT_EQ(row.worst, 0);
  EXPECT_EQ(row.items[1].branches, (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_NE(row.reason.find("likeliest_winner"), std::string::npos);
}

// A round of a control has no verdicts to select by.
TEST(Control, ARoundWithoutVerdictsCannotBeSelectedByAJudge) {
  JudgeOptions options;
  options.first.kind = JudgeKind::likelihood;
  expect_error([&] { (void)select({ten_branches("p7")}, {}, options, {}, 7, 1); },
               ExitCode::kConfig,
               {"prompt 'p7' has", "no verdict", "select.control"});
}

// Enough prompts for every gate of the audit.
TEST(Control, TheAuditSaysNothingOfAJudgeThatWasNotAsked) {
  const auto tasks = many_prompts(40);
  JudgeOptions options;
  options.gates = {.max_flip_rate = 0.1,
                   .max_position_bias = 0.1,
                   .max_length_correlation = 1,
                   .max_planted_errors = 0.1};
  for (const JudgeKind kind : {JudgeKind::openai, JudgeKind::reference}) {
    options.first.kind = kind;
    const auto best = winners(tasks, SelectControl::random_winner);
    const Json audit = audit_round(tasks, /*verdicts=*/{}, best, options, /*round=*/1);
    EXPECT_EQ(audit["ranked"], 40);
    EXPECT_EQ(audit["calls"], 0);
    for (const Json& finding : audit["findings"]) {
      EXPECT_EQ(finding.get<std::string>().find("cannot tell"), std::string::npos) << finding;
    }
    EXPECT_NO_THROW(check_gates(audit, options));
  }
}

TEST(Control, AnAnswerThatCouldNotBeJudgedDoesNotWin) {
  JudgeTask task = ten_branches("p");
  for (OutputRow& row : task.outputs) {
    if (row.branch != 3) row.finish = Finish::loop;
  }
  for (const SelectControl control :
       {SelectControl::random_winner, SelectControl::likeliest_winner}) {
    EXPECT_EQ(winners({task}, control)[0].winner, 3);
  }
  for (OutputRow& row : task.outputs) row.finish = Finish::error;
  const BestOutputRow none = winners({task}, SelectControl::random_winner)[0];
  EXPECT_EQ(none.status, SelectionStatus::no_candidates);
  EXPECT_EQ(none.winner, -1);
}

}  // namespace
}  // namespace thoughtrank
