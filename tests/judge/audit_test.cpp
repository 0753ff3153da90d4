// Audits of whole rounds with simulated judges, several judges in one fit, and the planted answers.
#include <gtest/gtest.h>

#include <cmath>

#include "judge/audit_plan.h"
#include "judge/cut_answers.h"
#include "judge/judge_room.h"
#include "judge/opinion_transport.h"
#include "judge/phrases.h"
#include "judge/ranking_round.h"

namespace thoughtrank {
namespace {

double gumbel(RandomStream& noise) { return -std::log(-std::log(1 - noise.uniform())); }

// N(0, 1) that is the answer's own; the planted nonsense is as bad as it looks.
double quality_of(const std::string& answer) {
  if (answer.starts_with("The quick brown fox")) return -3;
  RandomStream own(stable_hash(answer), "quality");
  return own.normal();
}

double fair(const ShownAnswer& answer, RandomStream& noise) {
  return quality_of(answer.text) + 0.3 * gumbel(noise);
}
double first_shown(const ShownAnswer& answer, RandomStream& noise) {
  return -static_cast<double>(answer.place) + 0.3 * gumbel(noise);
}
double longest(const ShownAnswer& answer, RandomStream& noise) {
  return 0.2 * static_cast<double>(answer.text.size()) + 0.3 * gumbel(noise);
}
double guess(const ShownAnswer& /*answer*/, RandomStream& noise) { return gumbel(noise); }

constexpr size_t kPrompts = 60;

class AuditTest : public JudgeTest {
 protected:
  // The verdict rows of a round with these judges.
  std::vector<VerdictRow> verdicts(const std::vector<JudgeTask>& tasks,
                                   const std::vector<Opinion>& opinions) {
    std::deque<Ledger> ledgers;
    std::deque<Connection> connections;
    std::deque<std::unique_ptr<Channel>> channels;
    std::deque<RankCaller> callers;
    std::vector<RoundJudge> judges;
    for (size_t j = 0; j < opinions.size(); ++j) {
      ledgers.emplace_back(folder_ / fmt::format("ledger {} {}", ++ledgers_, j));
      connections.push_back(connection_over(std::make_unique<OpinionTransport>(opinions[j])));
      channels.push_back(open_channel(connections[j],
                                      {.concurrency = 8},
                                      {.ledger = ledgers[j], .clock = clock_, .stop = stop_}));
      const RankCaller::Identity identity{
          .judge = fmt::format("judge {}", j), .seed = 1, .round = 1};
      callers.emplace_back(*channels[j], *connections[j].protocol, identity, 16);
      judges.push_back({.caller = &callers[j], .max_abstained = 0.05});
    }
    Progress progress = silent_progress();
    std::vector<VerdictRow> rows;
    for (auto& own :
         run_ranking_round(tasks, options_, {.seed = 1, .round = 1}, 100, judges, progress)) {
      rows.insert(rows.end(), own.begin(), own.end());
    }
    return rows;
  }

  Json audit(const std::vector<Opinion>& opinions) {
    const auto tasks = make_tasks(kPrompts, 20);
    const auto rows = verdicts(tasks, opinions);
    for (const VerdictRow& row : rows) {
      EXPECT_EQ(to_json(from_json<VerdictRow>(to_json(row), "row")), to_json(row));
    }
    best_ = select(tasks, rows, options_, select_, 1, 1);
    return audit_round(tasks, rows, best_, options_, 1);
  }

  static std::string findings(const Json& audit) { return dump_json(audit["findings"]); }
  static double mean(const Json& value) { return value["mean"].get<double>(); }

  JudgeOptions options_ = server_options("http://127.0.0.1:9/v1");
  std::vector<BestOutputRow> best_;
  int ledgers_ = 0;
};

TEST_F(AuditTest, finds_nothing_against_a_fair_judge) {
  const Json found = audit({fair});
  EXPECT_EQ(findings(found), "[]");
  const Json& judge = found["judges"][0];
  const int64_t expected =
      audit_calls(kPrompts * scheme_cost(20, scheme_of(options_.scheme)).calls);
  EXPECT_GE(expected, 10);
  EXPECT_EQ(judge["flip_rate"]["count"], expected);
  EXPECT_EQ(judge["planted_errors"]["count"], expected);
  EXPECT_EQ(mean(judge["planted_errors"]), 0);
  EXPECT_GT(mean(judge["kendall_tau"]), 0.5);
  EXPECT_LT(std::abs(mean(judge["position"])), 0.1);
  EXPECT_LT(mean(judge["duplicate_gap"]), 0.2);
  EXPECT_GT(judge["sigma"].get<double>(), 1);
}

TEST_F(AuditTest, planted_answers_never_win) {
  // This judge adores the planted nonsense.
  const Json found = audit({[](const ShownAnswer& answer, RandomStream& noise) {
    return answer.text.starts_with("The quick") ? 100 : fair(answer, noise);
  }});
  EXPECT_EQ(mean(found["judges"][0]["planted_wins"]), 1);
  EXPECT_NE(findings(found).find("nonsense"), std::string::npos);
  for (const BestOutputRow& row : best_) {
    EXPECT_EQ(row.items.size(), 20u);
    for (const RankedItem& item : row.items) EXPECT_GE(item.branch, 0);
    EXPECT_GE(row.winner, 0);
  }
}

TEST_F(AuditTest, finds_out_a_judge_that_only_looks_at_places) {
  const Json found = audit({first_shown});
  EXPECT_GT(mean(found["judges"][0]["position"]), 0.8);
  EXPECT_NE(findings(found).find("shown early"), std::string::npos) << findings(found);
  EXPECT_NE(findings(found).find("contradicts itself"), std::string::npos) << findings(found);
  JudgeOptions gated = options_;
  expect_error([&] { check_gates(found, gated); }, ExitCode::kJudge, {"cannot tell"});
  gated.gates.max_position_bias = 0.3;
  expect_error([&] { check_gates(found, gated); }, ExitCode::kJudge, {"max_position_bias"});
}

TEST_F(AuditTest, finds_out_a_judge_that_only_looks_at_length) {
  const Json found = audit({longest});
  EXPECT_GT(mean(found["length_correlation"]), 0.9);
  EXPECT_GT(mean(found["chosen_minus_median_length"]), 5);
  EXPECT_NE(findings(found).find("longer answers rank higher"), std::string::npos);
  JudgeOptions gated = options_;
  gated.gates.max_length_correlation = 0.5;
  expect_error([&] { check_gates(found, gated); }, ExitCode::kJudge, {"max_length_correlation"});
}

double likes_length(const ShownAnswer& answer, RandomStream& noise) {
  return fair(answer, noise) + 0.25 * static_cast<double>(answer.text.size());
}

TEST_F(AuditTest, length_control_takes_length_out_of_the_ranking) {
  const Json plain = audit({likes_length});
  EXPECT_GT(mean(plain["length_correlation"]), 0.6);
  EXPECT_FALSE(plain["judges"][0].contains("length_effect"));
  options_.scheme.length_control = true;
  const Json controlled = audit({likes_length});
  EXPECT_LT(std::abs(mean(controlled["length_correlation"])), 0.15);
  EXPECT_LT(mean(controlled["chosen_minus_median_length"]),
            mean(plain["chosen_minus_median_length"]) / 2);
  EXPECT_GT(controlled["judges"][0]["length_effect"].get<double>(), 1);
}

TEST_F(AuditTest, verdicts_paid_for_may_be_selected_from_with_length_control) {
  const auto tasks = make_tasks(kPrompts, 20);
  options_.scheme.finals = 5;  // among long answers: more of them leave less to choose from
  const auto rows = verdicts(tasks, {likes_length});
  const auto mean_winner = [&](bool length_control) {
    options_.scheme.length_control = length_control;
    double sum = 0;
    for (const BestOutputRow& row : select(tasks, rows, options_, select_, 1, 1)) {
      sum += static_cast<double>(row.winner) / kPrompts;
    }
    return sum;
  };
  EXPECT_GT(mean_winner(false), mean_winner(true) + 2) << "a branch is as long as its number";
}

TEST_F(AuditTest, a_judge_that_guesses_trains_on_nothing_and_contradicts_itself) {
  const Json found = audit({guess});
  EXPECT_LT(std::abs(mean(found["judges"][0]["kendall_tau"])), 0.25);
  EXPECT_LT(found["judges"][0]["sigma"].get<double>(), kUselessSigma);
  EXPECT_NE(findings(found).find("contradicts itself"), std::string::npos) << findings(found);
  for (const BestOutputRow& row : best_) EXPECT_NE(row.status, SelectionStatus::trained);
  JudgeOptions gated = options_;
  gated.gates.max_flip_rate = 0.5;
  expect_error([&] { check_gates(found, gated); }, ExitCode::kJudge, {"max_flip_rate"});
  gated.gates.max_flip_rate = 1;
  gated.gates.max_planted_errors = 0.1;
  expect_error([&] { check_gates(found, gated); }, ExitCode::kJudge, {"max_planted_errors"});
}

TEST_F(AuditTest, of_two_judges_the_one_that_guesses_hardly_counts) {
  const Json found = audit({guess, fair});
  ASSERT_EQ(found["judges"].size(), 2u);
  EXPECT_LT(found["judges"][0]["sigma"].get<double>(), 0.3);
  EXPECT_GT(found["judges"][1]["sigma"].get<double>(), 1);
  ASSERT_EQ(found["agreement"].size(), 1u);
  EXPECT_LT(std::abs(mean(found["agreement"][0]["kendall_tau"])), 0.1);
  const std::vector<BestOutputRow> both = best_;
  (void)audit({fair});
  size_t same = 0;
  for (size_t p = 0; p < kPrompts; ++p) same += both[p].winner == best_[p].winner ? 1 : 0;
  EXPECT_GT(same, kPrompts / 2);
}

TEST_F(AuditTest, two_fair_judges_agree_and_know_more_than_one) {
  const Json found = audit({fair, fair});
  EXPECT_GT(mean(found["agreement"][0]["kendall_tau"]), 0.5);
  EXPECT_GT(found["agreement"][0]["kendall_tau"]["count"].get<int64_t>(), 300);
  double together = 0, alone = 0;
  for (const BestOutputRow& row : best_) together += row.regret;
  (void)audit({fair});
  for (const BestOutputRow& row : best_) alone += row.regret;
  EXPECT_LT(together, alone);
}

TEST(PlantedCall, keeps_to_size_and_tokens_and_doubles_the_lowest_branch) {
  RankCall call{.task = 0, .number = 0, .stage = VerdictStage::pass_a};
  for (const int64_t branch : {9, 4, 30, 7, 8, 6, 5, 3}) {
    call.branches.push_back(branch);
    call.answers.push_back("answer " + std::to_string(branch));
  }
  const RankCall full = planted_call(call, 8, 1000);
  EXPECT_EQ(full.branches,
            (std::vector<int64_t>{3, 4, 5, 6, 7, 8, kPlantedDuplicate, kPlantedNonsense}));
  EXPECT_EQ(full.answers[6], "answer 3");
  EXPECT_EQ(full.answers[7].substr(0, 9), "The quick");
  EXPECT_EQ(planted_call(call, 8, 240).branches.size(), 5u);
  EXPECT_EQ(planted_call(call, 2, 1).branches.size(), 4u);
  EXPECT_EQ(planted_call(call, 26, 1000).branches.size(), 10u);
}

TEST(AuditPlan, spreads_its_calls_evenly) {
  EXPECT_EQ(audit_calls(49), 0);
  EXPECT_EQ(audit_calls(4864), 97);
  size_t carried = 0, longest_gap = 0, gap = 0;
  for (size_t p = 0; p < 256; ++p) {
    const bool carries = carries_audit(p, 256, 97);
    carried += carries ? 1 : 0;
    gap = carries ? 0 : gap + 1;
    longest_gap = std::max(longest_gap, gap);
  }
  EXPECT_EQ(carried, 97u);
  EXPECT_LE(longest_gap, 2u);
}

TEST(Phrases, that_winners_share_are_found_once) {
  const std::vector<std::string> winners = {"I am GLAD you asked: yes.",
                                            "Sure, I am glad you asked!",
                                            "No formula in this one",
                                            "No formula in this other"};
  const auto found = common_phrases(winners, {winners[0], winners[2], "a", "b"}, 3);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].words, "am glad you asked");
  EXPECT_EQ(found[0].winners, 0.5);
  EXPECT_EQ(found[0].answers, 0.25);
  EXPECT_EQ(found[1].words, "no formula in this");
}

// `cut` of the winners of 10 prompts with 4 answers each were cut, and `others` answers beside.
std::string finding_of(int64_t cut, int64_t others) {
  std::vector<JudgeTask> tasks = make_tasks(10, 4);
  std::vector<BestOutputRow> best(tasks.size());
  for (size_t t = 0; t < tasks.size(); ++t) {
    best[t].status = SelectionStatus::trained;
    best[t].winner = tasks[t].outputs[1].branch;
    if (cut-- > 0) tasks[t].outputs[1].finish = Finish::length;
    for (const size_t n : {0, 2, 3}) {
      if (others-- > 0) tasks[t].outputs[n].finish = Finish::length;
    }
  }
  return cut_finding(count_cut_answers(tasks, best));
}

TEST(CutAnswers, OfWinnersAndOfAnswersAreTold) {
  EXPECT_EQ(finding_of(0, 0), "");
  EXPECT_EQ(finding_of(1, 3), "") << "a tenth";
  EXPECT_TRUE(finding_of(2, 0).starts_with("2 of 10 winners were cut at generate.answer_tokens"));
  EXPECT_TRUE(finding_of(0, 8).starts_with("8 of 40 answers were cut at generate.answer_tokens"));
  EXPECT_NE(finding_of(5, 20).find("judge.drop.truncated"), std::string::npos);
}

TEST(CutAnswers, StandInTheAuditWithTheirFinding) {
  std::vector<JudgeTask> tasks = make_tasks(2, 2);
  for (JudgeTask& task : tasks) {
    for (OutputRow& output : task.outputs) output.finish = Finish::length;
  }
  std::vector<BestOutputRow> best(2);
  for (size_t t = 0; t < 2; ++t) {
    best[t].prompt_id = tasks[t].prompt.prompt_id;
    best[t].status = SelectionStatus::uncertain;
  }
  JudgeOptions options;
  options.first.kind = JudgeKind::reference;
  const Json audit = audit_round(tasks, {}, best, options, 1);
  EXPECT_EQ(audit["cut"],
            (Json{{"answers", 4}, {"of_answers", 4}, {"winners", 0}, {"of_winners", 0}}));
  ASSERT_EQ(audit["findings"].size(), 1u);
  EXPECT_NE(audit["findings"][0].get<std::string>().find("4 of 4 answers"), std::string::npos);
}

}  // namespace
}  // namespace thoughtrank
