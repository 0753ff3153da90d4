#include "thoughtrank/pipeline/run.h"

#include <map>

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/run_log.h"

namespace thoughtrank {
namespace {

// What must be the same bytes whatever stopped on the way; timing.jsonl holds measurements.
std::map<std::string, std::string> results_of(const TinyRun& run) {
  std::map<std::string, std::string> results;
  for (int64_t round = 0; round <= 2; ++round) {
    for (const RoundFileEntry& entry : kRoundFiles) {
      const fs::path file = run.folder().file(round, entry.file);
      if (!entry.stage || !fs::exists(file)) continue;
      results[fmt::format("{} {}", round, entry.name)] = sha256_file(file);
    }
    const fs::path weights = run.folder().checkpoint(round) / "model.safetensors";
    if (fs::exists(weights)) results[fmt::format("{} weights", round)] = sha256_file(weights);
  }
  return results;
}

// "1 judge" of each record, in order.
std::vector<std::string> stages_of(const std::vector<Json>& records) {
  std::vector<std::string> stages;
  for (const Json& record : records) {
    stages.push_back(
        fmt::format("{} {}", record["round"].get<int64_t>(), record["stage"].get<std::string>()));
  }
  return stages;
}

TEST(RunRounds, LeavesWhatEachStagePublishes) {
  TinyRun run;
  EXPECT_TRUE(run.run());
  const auto results = results_of(run);
  EXPECT_EQ(results.size(), 1u + 2 * 12u);  // round 0: eval; the others: eleven files, weights
  const std::vector<std::string> order = {"0 evaluate",
                                          "1 generate",
                                          "1 judge",
                                          "1 train",
                                          "1 evaluate",
                                          "2 generate",
                                          "2 judge",
                                          "2 train",
                                          "2 evaluate"};
  EXPECT_EQ(stages_of(run.journal_of("stage_started")), order);
  EXPECT_EQ(stages_of(run.journal_of("stage_finished")), order);
  for (const Json& record : run.journal_of("stage_finished")) {
    for (const auto& [name, digest] : record["files"].items()) {
      const auto file = run.folder().round(record["round"].get<int64_t>()) / name;
      EXPECT_EQ(sha256_file(file), digest.get<std::string>()) << file;
    }
  }
}

TEST(RunRounds, WhatOnlyUnfinishedStagesNeedIsRemoved) {
  TinyRun run;
  (void)run.run({"rounds=1"});
  EXPECT_FALSE(fs::exists(run.folder().branches(1)));
  EXPECT_FALSE(fs::exists(run.folder().training(1)));
  EXPECT_FALSE(fs::exists(run.folder().heldout(1)));
}

TEST(RunRounds, ASecondStartDoesNothing) {
  TinyRun run;
  (void)run.run();
  const auto before = results_of(run);
  const size_t records = run.journal().size();
  EXPECT_FALSE(run.run());
  EXPECT_EQ(run.journal().size(), records);
  EXPECT_EQ(results_of(run), before);
}

TEST(RunRounds, MoreRoundsGoOnFromTheLast) {
  TinyRun run;
  (void)run.run({"rounds=1"});
  const std::string first = run.text(1, RoundFile::outputs);
  EXPECT_TRUE(run.run({"rounds=2"}));
  EXPECT_EQ(run.text(1, RoundFile::outputs), first);
  TinyRun whole;
  (void)whole.run();
  EXPECT_EQ(results_of(run), results_of(whole));
}

// Wherever it is stopped, the same command ends with the same bytes.
TEST(RunRounds, AnInterruptedRunEndsAsAnUninterruptedOne) {
  TinyRun whole;
  (void)whole.run();
  TinyRun run;
  int64_t stops = 0;
  for (int64_t looks = 5; stops < 50; looks += 11) {
    StopFlag stop;
    StoppingClock clock(stop, looks);
    try {
      (void)run_rounds(run.config(), clock, stop);
      if (!stop.is_set()) break;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ExitCode::kStopped) << error.what();
    }
    ++stops;
  }
  EXPECT_GE(stops, 3);
  EXPECT_FALSE(run.run());
  EXPECT_EQ(results_of(run), results_of(whole));
}

// Three samples of each character, interrupted and begun with other threads.
TEST(RunRounds, SampledBranchesAreTheSameAfterInterruptions) {
  const std::vector<std::string> sampled = {
      "branches.samples_per_char=3", "generate.temperature=0.9", "generate.top_p=0.95"};
  TinyRun whole;
  (void)whole.run(sampled);
  const std::string outputs = whole.text(1, RoundFile::outputs);
  EXPECT_EQ(std::count(outputs.begin(), outputs.end(), '\n'), 2 * 6 * 3);
  for (const int64_t looks : {25, 60, 120}) {
    TinyRun run;
    StopFlag stop;
    StoppingClock clock(stop, looks);
    std::vector<std::string> other = sampled;
    other.emplace_back("threads=2");
    expect_error([&] { (void)run_rounds(run.config(other), clock, stop); }, ExitCode::kStopped);
    EXPECT_TRUE(run.run(sampled));
    EXPECT_EQ(results_of(run), results_of(whole)) << looks;
  }
  TinyRun other_seed;
  (void)other_seed.run({"seed=4", sampled[0], sampled[1], "rounds=1"});
  EXPECT_NE(other_seed.text(1, RoundFile::outputs), outputs);
}

TEST(RunRounds, StopsWhenItsHoursHavePassed) {
  TinyRun run;
  expect_error([&] { (void)run.run({"limits.max_hours=1e-8"}); }, ExitCode::kStopped);
  run.stop.request(0);
  EXPECT_TRUE(run.run());
}

TEST(RunRounds, AJudgeThatCannotWorkEndsTheRunBeforeItsFirstWork) {
  TinyRun run;
  expect_error(
      [&] {
        (void)run.run({"judge.kind=command", "judge.command=[/no/such/judge]"});
      },
      ExitCode::kConfig,
      "/no/such/judge");
  EXPECT_TRUE(run.journal_of("stage_started").empty());
}

TEST(RunRounds, WhatEndsARoundIsNotedWithItsReason) {
  TinyRun run;
  const std::vector<std::string> strict = {"select.min_score=1000"};
  expect_error([&] { (void)run.run(strict); }, ExitCode::kTrainingHealth, "no winner to train on");
  const auto failed = run.journal_of("stage_failed");
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(stages_of(failed).front(), "1 train");
  EXPECT_EQ(failed[0]["code"], 81);
  EXPECT_NE(failed[0]["reason"].get<std::string>().find("no winner"), std::string::npos);
  EXPECT_FALSE(fs::exists(run.folder().checkpoint(1)));
}

TEST(RunRounds, AJournalCutBehindTheCheckpointKeepsTheCheckpoint) {
  TinyRun run;
  (void)run.run({"rounds=1"});
  const auto before = results_of(run);
  const auto written = fs::last_write_time(run.folder().checkpoint(1) / "model.safetensors");
  const Json facts = run.journal_of("stage_finished")[3];
  std::string lines = read_file(run.folder().journal());
  lines.resize(lines.rfind('\n', lines.rfind(R"("stage_finished","round":1,"stage":"train")")) + 1);
  write_plainly(run.folder().journal(), lines);
  EXPECT_TRUE(run.run({"rounds=1"}));
  EXPECT_EQ(results_of(run), before);
  EXPECT_EQ(fs::last_write_time(run.folder().checkpoint(1) / "model.safetensors"), written);
  for (const char* fact : {"stage", "files", "loss_before", "loss_after", "weights_sha256"}) {
    EXPECT_EQ(run.journal_of("stage_finished")[3][fact], facts[fact]) << fact;
  }
}

TEST(RunOneStage, StagesOneByOneGiveTheSameBytes) {
  TinyRun whole, single;
  (void)whole.run({"rounds=1"});
  for (const Stage stage : {Stage::generate, Stage::judge, Stage::train}) {
    single.run_stage(stage, 1, {"rounds=1"});
  }
  auto expected = results_of(whole);
  for (const char* evaluation : {"0 eval.jsonl", "1 eval.jsonl"}) expected.erase(evaluation);
  EXPECT_EQ(results_of(single), expected);
}

TEST(RunOneStage, NamesTheStageThatIsMissing) {
  TinyRun run;
  expect_error([&] { run.run_stage(Stage::judge); },
               ExitCode::kMissingInput,
               {"round 1: generate has not finished yet", "thoughtrank generate --round 1"});
  run.run_stage(Stage::generate);
  expect_error([&] { run.run_stage(Stage::generate, 2); },
               ExitCode::kMissingInput,
               "round 1: judge has not finished yet, and generate stands on it");
  expect_error([&] { run.run_stage(Stage::judge, 3); }, ExitCode::kConfig, "no round 3");
}

TEST(RunOneStage, TakesTheFirstUnfinishedRound) {
  TinyRun run;
  for (const int64_t round : {1, 2}) {
    for (const Stage stage : {Stage::generate, Stage::judge, Stage::train}) run.run_stage(stage);
    EXPECT_TRUE(fs::exists(run.folder().checkpoint(round)));
  }
  const size_t records = run.journal().size();
  run.run_stage(Stage::train);
  run.run_stage(Stage::judge, 1);
  EXPECT_EQ(run.journal().size(), records) << "finished stages were worked on again";
}

// The untrained model's answers in their forms are compared before round 1: each comparison is paid
// once, wherever it stops, but for the call that was on its way.
TEST(RunRounds, ARankingJudgeThatWasStoppedBeforeTheFirstRoundIsNotPaidTwice) {
  const std::vector<std::string> sets = {"rounds=1", "judge.concurrency=1"};
  TinyRun whole;
  ASSERT_TRUE(whole.run(whole.judged_by_program(sets)));
  int64_t stopped_while_judging = 0;
  for (int64_t looks = 10; looks <= 90; looks += 3) {
    TinyRun other;
    const RunConfig config = other.config(other.judged_by_program(sets));
    StopFlag stop;
    StoppingClock clock(stop, looks);
    expect_error([&] { (void)run_rounds(config, clock, stop); }, ExitCode::kStopped, "signal");
    const RunLog log = RunLog::read_only(other.folder().journal());
    if (log.finished(0, Stage::evaluate) != nullptr) break;
    stopped_while_judging += other.judge_calls() > 0 ? 1 : 0;
    ASSERT_TRUE(run_rounds(config, other.clock, other.stop));
    ASSERT_LE(other.judge_calls(), whole.judge_calls() + 1) << looks;
    ASSERT_EQ(other.text(0, RoundFile::forms), whole.text(0, RoundFile::forms)) << looks;
  }
  EXPECT_GT(stopped_while_judging, 0);
}

}  // namespace
}  // namespace thoughtrank
