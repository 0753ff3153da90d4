// The judges without a server: likelihood, reference, command; and select().
#include <gtest/gtest.h>

#include "judge/judge_room.h"

namespace thoughtrank {
namespace {

class KindsTest : public JudgeTest {
 protected:
  static JudgeOptions of_kind(JudgeKind kind) {
    JudgeOptions options;
    options.first.kind = kind;
    options.first.server.timeout_s = 20;
    return options;
  }
};

std::vector<double> by_length(const PromptRow& /*prompt*/,
                              const std::vector<std::string>& answers) {
  std::vector<double> scores;
  for (const std::string& answer : answers) scores.push_back(static_cast<double>(answer.size()));
  return scores;
}

TEST_F(KindsTest, likelihood_takes_the_best_score_and_keeps_the_scores) {
  const auto tasks = make_tasks(3, 62);
  int calls = 0;
  const AnswerScorer scorer = [&](const PromptRow& prompt,
                                  const std::vector<std::string>& answers) {
    ++calls;
    return by_length(prompt, answers);
  };
  const auto judged = run(of_kind(JudgeKind::likelihood), tasks, scorer);
  EXPECT_EQ(judged[2].best.status, SelectionStatus::trained);
  EXPECT_EQ(judged[2].best.winner, 61);
  EXPECT_EQ(judged[2].best.runner_up, 60);
  EXPECT_EQ(judged[2].best.worst, 0);
  ASSERT_EQ(judged[2].verdicts.size(), 1u);
  EXPECT_EQ(judged[2].verdicts[0].stage, VerdictStage::pointwise);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(bytes_of(run(of_kind(JudgeKind::likelihood), tasks, scorer)), bytes_of(judged));
  EXPECT_EQ(calls, 3) << "scores were computed again";
}

TEST_F(KindsTest, likelihood_respects_min_score_and_refuses_nan) {
  select_.min_score = 1000;
  EXPECT_EQ(run(of_kind(JudgeKind::likelihood), make_tasks(1, 5), by_length)[0].best.status,
            SelectionStatus::uncertain);
  auto one = make_tasks(1, 1);
  EXPECT_EQ(run(of_kind(JudgeKind::likelihood), one, by_length)[0].best.status,
            SelectionStatus::no_candidates);
  select_.min_score = 1;
  EXPECT_EQ(run(of_kind(JudgeKind::likelihood), one, by_length)[0].best.status,
            SelectionStatus::trained);
  select_.min_score.reset();
  EXPECT_EQ(run(of_kind(JudgeKind::likelihood), one, by_length)[0].best.status,
            SelectionStatus::no_candidates);
  const AnswerScorer broken = [](const PromptRow&, const std::vector<std::string>& answers) {
    return std::vector<double>(answers.size(), std::nan(""));
  };
  std::filesystem::remove(ledger());
  expect_error([&] { (void)run(of_kind(JudgeKind::likelihood), make_tasks(1, 2), broken); },
               ExitCode::kInternal,
               {"finite"});
}

TEST_F(KindsTest, ties_at_the_top_are_broken_by_the_seed_and_flagged) {
  const AnswerScorer scorer = [](const PromptRow&, const std::vector<std::string>& answers) {
    std::vector<double> scores(answers.size(), 1.0);
    scores[0] = 0;
    return scores;
  };
  std::vector<int64_t> winners;
  for (const JudgedPrompt& prompt :
       run(of_kind(JudgeKind::likelihood), make_tasks(8, 20), scorer)) {
    EXPECT_EQ(prompt.best.reason, "19 answers tie at the top, broken at random");
    EXPECT_NE(prompt.best.winner, 0);
    winners.push_back(prompt.best.winner);
  }
  EXPECT_NE(winners, std::vector<int64_t>(winners.size(), winners[0]));
}

TEST_F(KindsTest, reference_trains_where_some_are_right) {
  auto tasks = make_tasks(3, 4);
  tasks[0].prompt.answer = "Answer xx";
  tasks[1].prompt.answer = "never said";
  tasks[2].prompt.answer = "Answer x";
  for (OutputRow& row : tasks[2].outputs) row.answer = " Answer  x";
  const auto judged = run(of_kind(JudgeKind::reference), tasks);
  EXPECT_EQ(judged[0].best.status, SelectionStatus::trained);
  EXPECT_EQ(judged[0].best.winner, 1);
  EXPECT_EQ(judged[1].best.status, SelectionStatus::skipped);
  EXPECT_EQ(judged[1].best.reason, "no answer is correct");
  EXPECT_EQ(judged[2].best.status, SelectionStatus::skipped);
  EXPECT_EQ(judged[2].best.reason, "every answer is correct");
  tasks[1].prompt.answer = "";
  expect_error([&] { (void)run(of_kind(JudgeKind::reference), tasks); }, ExitCode::kConfig, {"p1"});
  Judge judge = open(of_kind(JudgeKind::reference));
  Progress progress = silent_progress();
  EXPECT_EQ(judge.evaluate({{tasks[0].prompt, "Answer xx", ""}}, progress)[0].score, 1.0);
}

TEST_F(KindsTest, scores_are_neither_read_as_rankings_nor_audited_for_the_place_shown) {
  auto tasks = make_tasks(20, 12);
  for (JudgeTask& task : tasks) task.prompt.answer = "Answer xx";
  std::vector<VerdictRow> rows;
  std::vector<BestOutputRow> best;
  for (const JudgedPrompt& judged : run(of_kind(JudgeKind::reference), tasks)) {
    rows.insert(rows.end(), judged.verdicts.begin(), judged.verdicts.end());
    best.push_back(judged.best);
  }
  const Json audit = audit_round(tasks, rows, best, of_kind(JudgeKind::reference), 1);
  EXPECT_TRUE(audit["judges"][0]["position"].is_null());
  EXPECT_EQ(audit["judges"][0]["calls"], 20);
  for (const Json& finding : audit["findings"]) {
    EXPECT_EQ(finding.get<std::string>().find("shown"), std::string::npos) << finding;
  }
  expect_error([&] { (void)select(tasks, rows, of_kind(JudgeKind::openai), select_, 1, 1); },
               ExitCode::kConfig,
               {"scores that reference gave", "judge.kind is openai"});
  EXPECT_EQ(select(tasks, rows, of_kind(JudgeKind::reference), select_, 1, 1)[0].winner, 1);
}

// Sorts the shown answers by length, the longest first.
constexpr const char* kLongestFirst = R"(
import json, sys
request = json.load(sys.stdin)
shown = sorted(request["answers"], key=lambda a: -len(a["answer"]))
print(json.dumps({"ranking": [a["label"] for a in shown]}))
)";

TEST_F(KindsTest, command_ranks_by_the_program_and_sees_no_thought) {
  JudgeOptions options = of_kind(JudgeKind::command);
  options.first.server.concurrency = 2;
  options.first.server.command = {"python3", "-c", kLongestFirst};
  const auto judged = run(options, make_tasks(1, 12));
  EXPECT_EQ(judged[0].best.status, SelectionStatus::trained) << judged[0].best.reason;
  EXPECT_EQ(judged[0].best.winner, 11);
  options.first.server.command = {
      "sh", "-c", "tee -a \"$0\" > /dev/null", (folder_ / "seen").string()};
  expect_error(
      [&] { (void)run(options, make_tasks(1, 12)); }, ExitCode::kJudge, {"no JSON object"});
  const std::string seen = read_file(folder_ / "seen");
  EXPECT_NE(seen.find("Question 0?"), std::string::npos);
  EXPECT_EQ(seen.find("PLANTED"), std::string::npos);
}

TEST_F(KindsTest, command_failures_are_abstentions) {
  JudgeOptions options = of_kind(JudgeKind::command);
  const auto expect_reason = [&](const std::string& script, const std::string& reason) {
    options.first.server.command = {"sh", "-c", script};
    expect_error([&] { (void)run(options, make_tasks(1, 3)); }, ExitCode::kJudge, {reason});
    std::filesystem::remove(ledger());
  };
  expect_reason("exit 3", "exit status 3");
  expect_reason("kill -9 $$", "signal 9");
  expect_reason("echo hello", "no JSON object");
  expect_reason("head -c 5000000 /dev/zero", "too much output");
  options.scheme.finals = 0;
  options.first.server.timeout_s = 0.2;
  expect_reason("exec cat /dev/zero > /dev/null", "no reply in time");
  options.first.server.command = {"/no/such/program"};
  expect_error([&] { (void)run(options, make_tasks(1, 3)); },
               ExitCode::kConfig,
               {"there is no program '/no/such/program'"});
}

TEST_F(KindsTest, winners_anew_from_verdicts_are_the_same_or_follow_the_new_rule) {
  JudgeOptions options = of_kind(JudgeKind::command);
  options.first.server.command = {"python3", "-c", kLongestFirst};
  const auto tasks = make_tasks(2, 10);
  std::vector<VerdictRow> rows;
  std::vector<std::string> first, anew, strict;
  for (const JudgedPrompt& prompt : run(options, tasks)) {
    first.push_back(dump_json(to_json(prompt.best)));
    rows.insert(rows.end(), prompt.verdicts.begin(), prompt.verdicts.end());
  }
  for (const auto& row : select(tasks, rows, options, select_, 7, 1)) {
    anew.push_back(dump_json(to_json(row)));
  }
  EXPECT_EQ(first, anew);
  select_.min_confidence = 1;
  select_.max_regret = 0;
  for (const auto& row : select(tasks, rows, options, select_, 7, 1)) {
    EXPECT_EQ(row.status, SelectionStatus::uncertain);
  }
  for (const auto& row : select(tasks, {}, options, select_, 7, 1)) {
    EXPECT_EQ(row.status, SelectionStatus::skipped);
    EXPECT_EQ(row.winner, -1);
  }
}

TEST_F(KindsTest, one_distinct_answer_is_no_candidate_and_costs_no_call) {
  JudgeOptions options = of_kind(JudgeKind::command);
  options.first.server.command = {"false"};
  auto tasks = make_tasks(1, 5);
  for (OutputRow& row : tasks[0].outputs) row.answer = "same";
  const auto judged = run(options, tasks);
  EXPECT_EQ(judged[0].best.status, SelectionStatus::no_candidates);
  EXPECT_EQ(judged[0].best.calls, 0);
}

}  // namespace
}  // namespace thoughtrank
