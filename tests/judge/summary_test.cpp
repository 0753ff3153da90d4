// A round's summary and the rule of select.min_lift: figures by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "judge/judge_room.h"

namespace thoughtrank {
namespace {

// A prompt whose branches give these answers; each thought takes 3 tokens, each answer one a
// letter.
JudgeTask task_of(const std::string& prompt_id, const std::vector<std::string>& answers) {
  JudgeTask task;
  task.prompt = prompt_row(prompt_id, "What is 1 + 1?");
  task.prompt.answer = "2";
  for (size_t b = 0; b < answers.size(); ++b) {
    OutputRow row = output(prompt_id, static_cast<int64_t>(b), answers[b]);
    row.char_ = std::string(1, static_cast<char>('a' + b));
    row.answer_start = 3;
    row.token_ids.assign(3 + answers[b].size(), 7);
    task.outputs.push_back(row);
  }
  return task;
}

BestOutputRow won_by(int64_t branch) {
  BestOutputRow row;
  row.status = SelectionStatus::trained;
  row.winner = branch;
  return row;
}

ThoughtRow lift_row(const std::string& prompt_id, int64_t branch, double lift) {
  ThoughtRow row;
  row.prompt_id = prompt_id;
  row.branch = branch;
  row.lift = lift;
  return row;
}

JudgeOptions numeric() {
  JudgeOptions options;
  options.match = ReferenceMatch::numeric;
  return options;
}

std::string findings(const Json& summary) { return dump_json(summary["findings"]); }

TEST(Summary, CountsWhatIsThere) {
  std::vector<JudgeTask> tasks = {task_of("p", {"2", "it is 2", "3", "3"}),
                                  task_of("q", {"5", "5", "5", "5"})};
  tasks[0].outputs[2].finish = Finish::length;
  tasks[0].outputs[3].thought_end = ThoughtEnd::cap;
  const std::vector<BestOutputRow> best = {won_by(1), {}};
  const Json found = summarise_round(tasks, best, {lift_row("p", 1, 0.5)}, numeric(), 3);
  EXPECT_EQ(found["round"], 3);
  EXPECT_EQ(found["branches"], 8);
  EXPECT_EQ(found["answers_cut"], 1);
  EXPECT_EQ(found["thoughts_closed"], 7);
  EXPECT_EQ(found["thought_tokens"], (Json{{"median", 3}, {"p90", 3}}));
  EXPECT_EQ(found["answer_tokens"], (Json{{"median", 1}, {"p90", 7}}));
  EXPECT_EQ(found["right"],
            (Json{{"match", "numeric"},
                  {"prompts", 2},
                  {"prompts_with_right", 1},
                  {"branches", 8},
                  {"branches_right", 2}}));
  EXPECT_EQ(found["distinct_answers"]["mean"], 2.0);
  EXPECT_EQ(found["one_answer_prompts"], 1);
  EXPECT_EQ(found["winning_chars"]["counts"], (Json{{"b", 1}}));
  EXPECT_EQ(found["lift"]["positive"], 1);
  EXPECT_EQ(findings(found), "[]");
}

TEST(Summary, OfUnknownAnswersNoneIsRight) {
  std::vector<JudgeTask> tasks = {task_of("p", {"2", "3"}), task_of("q", {"2", "3"})};
  tasks[0].prompt.answer = "";
  tasks[1].prompt.answer = "no number";
  EXPECT_TRUE(summarise_round(tasks, {{}, {}}, {}, numeric(), 1)["right"].is_null());
  tasks[1].prompt.answer = "2";
  EXPECT_EQ(summarise_round(tasks, {{}, {}}, {}, numeric(), 1)["right"]["prompts"], 1);
}

TEST(Summary, EntropyIsOfTheWinnersCharacters) {
  std::vector<JudgeTask> tasks;
  std::vector<BestOutputRow> best;
  for (int64_t p = 0; p < 16; ++p) {
    tasks.push_back(task_of("p" + std::to_string(p), {"1", "2", "3", "4"}));
    best.push_back(won_by(p % 4));
  }
  Json found = summarise_round(tasks, best, {}, numeric(), 1);
  EXPECT_DOUBLE_EQ(found["winning_chars"]["entropy_bits"].get<double>(), 2);
  EXPECT_DOUBLE_EQ(found["winning_chars"]["most_bits"].get<double>(), 2);
  EXPECT_EQ(findings(found), "[]");
  // 14 begin with "a", one with "b", one with "c".
  for (size_t p = 0; p < 14; ++p) best[p].winner = 0;
  best[14].winner = 1;
  best[15].winner = 2;
  found = summarise_round(tasks, best, {}, numeric(), 1);
  const double bits = -14.0 / 16 * std::log2(14.0 / 16) + 2.0 / 16 * 4;
  EXPECT_NEAR(found["winning_chars"]["entropy_bits"].get<double>(), bits, 1e-12);
  EXPECT_NE(findings(found).find("14 of 16 winners begin with 'a'"), std::string::npos);
}

TEST(Summary, OneAnswerInMostPromptsIsAFinding) {
  std::vector<JudgeTask> tasks;
  for (int64_t p = 0; p < 10; ++p) {
    tasks.push_back(task_of("p" + std::to_string(p), {"2", p < 5 ? "2" : "3"}));
  }
  const std::vector<BestOutputRow> best(10);
  EXPECT_NE(findings(summarise_round(tasks, best, {}, numeric(), 1)).find("5 of 10 prompts"),
            std::string::npos);
  tasks[0].outputs[1].answer = "3";
  EXPECT_EQ(findings(summarise_round(tasks, best, {}, numeric(), 1)), "[]");
}

TEST(Summary, AnswersWithoutAnEndAndIdleThoughtsAreFindings) {
  std::vector<JudgeTask> tasks = {task_of("p", {"1", "2", "3", "4", "5"})};
  tasks[0].outputs[0].finish = tasks[0].outputs[1].finish = Finish::loop;
  std::vector<ThoughtRow> thoughts;
  for (int64_t n = 0; n < 10; ++n) thoughts.push_back(lift_row("p", 0, n < 4 ? 1 : -1));
  const std::string found = findings(summarise_round(tasks, {{}}, thoughts, numeric(), 1));
  EXPECT_NE(found.find("2 of 5 answers repeat themselves"), std::string::npos) << found;
  EXPECT_NE(found.find("only 4 of 10 winning answers"), std::string::npos) << found;
}

TEST(MinLift, AWinnerBelowItIsUncertain) {
  std::vector<BestOutputRow> best = {won_by(4), won_by(5), won_by(6), {}};
  const std::vector<std::string> ids = {"p", "q", "r", "s"};
  for (size_t p = 0; p < ids.size(); ++p) best[p].prompt_id = ids[p];
  const std::vector<ThoughtRow> thoughts = {
      lift_row("p", 4, 0.2), lift_row("q", 5, 0.05), lift_row("r", 7, 3)};
  SelectOptions options;
  require_lift(best, thoughts, options);
  for (size_t p = 0; p < 3; ++p) EXPECT_EQ(best[p].status, SelectionStatus::trained);
  options.min_lift = 0.1;
  require_lift(best, thoughts, options);
  EXPECT_EQ(best[0].status, SelectionStatus::trained);
  EXPECT_EQ(best[1].status, SelectionStatus::uncertain);
  EXPECT_EQ(best[1].reason, "lift 0.05 is below select.min_lift 0.1");
  EXPECT_EQ(best[2].status, SelectionStatus::uncertain) << "another branch was measured";
  EXPECT_EQ(best[3].status, SelectionStatus::skipped);
}

}  // namespace
}  // namespace thoughtrank
