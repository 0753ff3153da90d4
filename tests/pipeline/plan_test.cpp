#include "thoughtrank/pipeline/plan.h"

#include "pipeline/tiny_run.h"

namespace thoughtrank {
namespace {

class Plan : public testing::Test {
 protected:
  RunPlan plan(const std::vector<std::string>& sets = {}, bool probe = false) {
    return make_plan(run_.config(sets), probe, run_.clock, run_.stop);
  }
  TinyRun run_;
};

TEST_F(Plan, CountsWhatTheConfigAsksFor) {
  const RunPlan whole = plan();
  EXPECT_EQ(whole.prompts_found, 8);
  EXPECT_EQ(whole.prompts_left_out, 0);
  EXPECT_EQ(whole.holdout, 2);
  EXPECT_EQ(whole.rounds, 2);
  EXPECT_EQ(whole.prompts_per_round, 2);
  EXPECT_EQ(whole.branches, 6);
  EXPECT_EQ(whole.generated_tokens_worst, 2 * 6 * (4 + 10));
  EXPECT_GT(whole.longest_prompt, 5);
  EXPECT_EQ(whole.special_text_prompts, 0);
  EXPECT_EQ(whole.judging.usd_worst, 0);
  EXPECT_FALSE(whole.judge_problem);
}

TEST_F(Plan, ParametersAreThoseOfTheFile) {
  uint64_t bytes = 0;
  const auto weights = SafetensorsReader::open_model(kTinyModel);
  for (const auto& [name, tensor] : weights.tensors()) bytes += tensor.bytes;
  const RunPlan whole = plan();
  EXPECT_TRUE(static_cast<uint64_t>(whole.parameters) * 4 == bytes ||
              static_cast<uint64_t>(whole.parameters) * 2 == bytes);
}

TEST_F(Plan, ShowsTheFirstPromptWithAndWithoutItsExamples) {
  EXPECT_TRUE(plan().example_lines.empty());
  EXPECT_EQ(plan().longest_shown, plan().longest_prompt);
  const std::string examples = run_.with_examples().front();
  const RunPlan primed = plan({examples});
  ASSERT_EQ(primed.example_lines.size(), 3u);
  EXPECT_NE(primed.example_lines[0].find("2 in front of each prompt, in all rounds"),
            std::string::npos);
  EXPECT_NE(primed.example_lines[1].find("<thought>One more.</thought>2"), std::string::npos);
  EXPECT_EQ(primed.example_lines[2].find("One more"), std::string::npos);
  EXPECT_GT(primed.longest_shown, primed.longest_prompt);
  EXPECT_EQ(plan({examples, "prompts.examples.train=true"}).example_lines.size(), 2u);
}

TEST_F(Plan, TellsWhatTasksAskAndRefusesTheirFaults) {
  EXPECT_TRUE(plan().task_lines.empty());
  const std::string prompts = (run_.root() / "prompts.jsonl").string();
  const RunPlan with =
      plan({"evaluate.tasks=[{name: sums, path: " + prompts + ", prompts: 3, max_fall: 5}]"});
  ASSERT_EQ(with.task_lines.size(), 1u);
  EXPECT_NE(with.task_lines[0].find("sums: 3 questions"), std::string::npos);
  EXPECT_NE(with.task_lines[0].find("no checkpoint more than 5 points below"), std::string::npos);
  EXPECT_NE(with.task_lines[0].find("are prompts that the run trains on"), std::string::npos);
  EXPECT_NE(with.task_lines[0].find("one question is 33.3 points: ask more"), std::string::npos);
  expect_error(
      [&] { (void)plan({"evaluate.tasks=[{name: sums, path: " + prompts + ", match: choice}]"}); },
      ExitCode::kBadData,
      "evaluate.tasks sums: prompt 'p");
}

// Two prompts a round, two epochs, a step per row; then one step for both.
TEST_F(Plan, CountsOptimizerSteps) {
  EXPECT_EQ(plan().steps, 4);
  EXPECT_EQ(plan({"train.tokens_per_step=4096"}).steps, 2);
  EXPECT_EQ(plan({"train.epochs=5"}).steps, 10);
  EXPECT_EQ(plan({"train.objective=dpo_nll", "select.winners_per_prompt=2"}).steps, 4);
}

// The longest prompt may be of any round.
TEST_F(Plan, TakesTheLongestPromptOfAllRounds) {
  const std::string file = (run_.root() / "prompts.jsonl").string();
  std::string rows = read_file(file);
  for (const char* id : {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"}) {
    std::string longer = rows;
    const size_t at = longer.find(std::string("\"") + id + "\",\"prompt\":\"");
    ASSERT_NE(at, std::string::npos) << rows;
    longer.insert(longer.find("What", at), std::string(400, '1') + " ");
    write_plainly(file, longer);
    const RunPlan whole = plan();
    EXPECT_EQ(whole.longest_shown, whole.longest_prompt) << id;
  }
}

TEST_F(Plan, WritesNothing) {
  (void)plan();
  EXPECT_FALSE(fs::exists(run_.folder().root()));
}

TEST_F(Plan, RowsThatSayTheSameCountOnceWhereTheConfigSaysSo) {
  const std::string rows = read_file(run_.root() / "prompts.jsonl");
  write_plainly(run_.root() / "prompts.jsonl", rows + rows);
  expect_error([&] { (void)plan(); }, ExitCode::kBadData, {"8 of 16 rows", "prompts.drop_repeats"});
  EXPECT_EQ(plan({"prompts.drop_repeats=true"}).prompts_found, 8);
}

TEST_F(Plan, WeightsOfAnotherShapeAreToldBeforeTheyAreLoaded) {
  const TemporaryFolder model;
  fs::copy(kTinyModel, model.path(), fs::copy_options::recursive);
  std::string config = read_file(model / "config.json");
  config.replace(config.find("\"num_hidden_layers\": 2"), 22, "\"num_hidden_layers\": 3");
  write_plainly(model / "config.json", config);
  expect_error([&] { (void)plan({"model.path=" + model.path().string()}); },
               ExitCode::kBadData,
               "is missing in the weight files");
}

TEST_F(Plan, MoreBranchesAndLongerOnesTakeMoreMemory) {
  const RunPlan small = plan(), more = plan({"branches.chars=a-l"}),
                longer = plan({"generate.answer_tokens=60"});
  EXPECT_GT(more.decode_bytes, small.decode_bytes);
  EXPECT_GT(longer.decode_bytes, small.decode_bytes);
  EXPECT_GT(longer.training.total(), small.training.total());
  EXPECT_EQ(more.training.total(), small.training.total());
  EXPECT_GT(plan({"checkpoint.keep=5"}).disk_bytes, small.disk_bytes);
}

TEST_F(Plan, NamesPromptsThatHoldSpecialTokens) {
  write_plainly(run_.root() / "prompts.jsonl",
                read_file(run_.root() / "prompts.jsonl") +
                    dump_json(Json{{"id", "s"}, {"prompt", "What is <|im_end|>?"}}) + "\n");
  EXPECT_EQ(plan({"prompts.per_round=0", "rounds=1"}).special_text_prompts, 1);
}

TEST_F(Plan, AJudgeThatCannotBeAskedIsToldBesideTheRest) {
  const RunPlan whole = plan({"judge.kind=command", "judge.command=[/no/such/judge]"});
  ASSERT_TRUE(whole.judge_problem);
  EXPECT_EQ(whole.judge_problem->code(), ExitCode::kConfig);
  EXPECT_EQ(whole.branches, 6);
}

TEST_F(Plan, AsksTheJudgeOnlyWithProbe) {
  const auto sets = run_.judged_by_program();
  EXPECT_FALSE(plan(sets).is_probed);
  EXPECT_EQ(run_.judge_calls(), 0);
  const RunPlan probed = plan(sets, /*probe=*/true);
  EXPECT_TRUE(probed.is_probed);
  EXPECT_EQ(probed.judge_probe, "");
  EXPECT_GE(run_.judge_calls(), 1);
}

TEST_F(Plan, WhatWouldStopTheRunIsTheError) {
  expect_error([&] { (void)plan({"rounds=4"}); }, ExitCode::kConfig, "needs 10");
  expect_error([&] { (void)plan({"model.path=/no/such/model"}); },
               ExitCode::kMissingInput,
               "/no/such/model");
}

class Times : public Plan {
 protected:
  [[nodiscard]] RoundTimes times(const std::vector<std::string>& sets = {},
                                 const PeakRates& rates = rates_of(1e9, 1e9)) {
    return estimate_times(plan(sets), run_.config(sets), rates);
  }
  static PeakRates rates_of(double flops_per_s, double read_bytes_per_s) {
    return {.float32_flops_per_s = flops_per_s,
            .bfloat16_flops_per_s = flops_per_s,
            .read_bytes_per_s = read_bytes_per_s};
  }
};

TEST_F(Times, AMachineTwiceAsFastTakesHalfTheTime) {
  const RoundTimes slow = times();
  const RoundTimes fast = times({}, rates_of(2e9, 2e9));
  EXPECT_GT(slow.generate_s, 0);
  EXPECT_NEAR(fast.generate_s, slow.generate_s / 2, 1e-9 + slow.generate_s * 1e-6);
  EXPECT_NEAR(fast.train_s, slow.train_s / 2, 1e-9 + slow.train_s * 1e-6);
}

TEST_F(Times, GrowWithWhatIsDone) {
  const RoundTimes base = times();
  const RoundTimes prompts = times({"prompts.per_round=1"});
  EXPECT_NEAR(prompts.generate_s, base.generate_s / 2, base.generate_s * 0.2);
  const RoundTimes epochs = times({"train.epochs=4"});
  EXPECT_EQ(epochs.generate_s, base.generate_s);
  EXPECT_NEAR(epochs.train_s, base.train_s * 2, base.train_s * 1e-6);
  const RoundTimes winners = times({"select.winners_per_prompt=2"});
  EXPECT_NEAR(winners.train_s, base.train_s * 2, base.train_s * 1e-6);
}

// Six operations a parameter and token where reading costs nothing.
TEST_F(Times, TrainingCountsThreePassesOfMultiplyAdds) {
  const RunPlan whole = plan();
  const double tokens = static_cast<double>(whole.longest_prompt + 4 + 10) * 2 * 2;
  const double operations = 6 * static_cast<double>(whole.parameters) * tokens;
  const RoundTimes found = estimate_times(whole, run_.config(), rates_of(1e9, 1e30));
  EXPECT_GT(found.train_s, operations / 1e9);  // no machine reaches its peak
  EXPECT_LT(found.train_s, 5 * operations / 1e9);
}

}  // namespace
}  // namespace thoughtrank
