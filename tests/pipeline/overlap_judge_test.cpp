#include "pipeline/overlap_judge.h"

#include "pipeline/select_rows.h"
#include "pipeline/tiny_run.h"

namespace thoughtrank {
namespace {

// A round that is generated and not judged.
class Overlap : public testing::Test {
 protected:
  Overlap() : sets_(run_.judged_by_program({"rounds=1"})) {
    run_.run_stage(Stage::generate, 1, sets_);
    tasks_ = read_judge_tasks(run_.folder(), 1);
  }
  [[nodiscard]] std::unique_ptr<Session> open(bool overlaps_judging = true) {
    return run_.open(sets_, {.overlaps_judging = overlaps_judging});
  }

  TinyRun run_;
  std::vector<std::string> sets_;
  std::vector<JudgeTask> tasks_;
};

TEST_F(Overlap, AsksAboutEveryPromptThatIsThere) {
  const auto session = open();
  OverlapJudge overlap(*session, 1);
  for (const JudgeTask& task : tasks_) overlap.add(task);
  overlap.finish();
  EXPECT_EQ(overlap.judged(), 2);
  EXPECT_GT(run_.judge_calls(), 0);
  EXPECT_FALSE(fs::exists(run_.folder().file(1, RoundFile::verdicts))) << "the judge stage's work";
}

TEST_F(Overlap, TheJudgeStageFindsTheRepliesAndGivesTheSameFiles) {
  {
    const auto session = open();
    OverlapJudge overlap(*session, 1);
    for (const JudgeTask& task : tasks_) overlap.add(task);
    overlap.finish();
  }
  EXPECT_GT(run_.judge_calls(), 0);
  run_.run_stage(Stage::judge, 1, sets_);

  TinyRun plain;
  const auto sets = plain.judged_by_program({"rounds=1"});
  plain.run_stage(Stage::generate, 1, sets);
  plain.run_stage(Stage::judge, 1, sets);
  EXPECT_EQ(run_.judge_calls(), plain.judge_calls()) << "some were asked twice";
  for (const RoundFile file : {RoundFile::best_outputs, RoundFile::training_data}) {
    EXPECT_EQ(run_.text(1, file), plain.text(1, file)) << file_name(file);
  }
}

TEST_F(Overlap, DoesNothingUnlessItIsWanted) {
  const auto session = open(/*overlaps_judging=*/false);
  OverlapJudge overlap(*session, 1);
  for (const JudgeTask& task : tasks_) overlap.add(task);
  overlap.finish();
  EXPECT_EQ(overlap.judged(), 0);
  EXPECT_EQ(run_.judge_calls(), 0);
}

TEST_F(Overlap, AJudgeWithoutCallsHasNothingToOverlap) {
  TinyRun run;
  const auto session = run.open({}, {.overlaps_judging = true});
  OverlapJudge overlap(*session, 1);
  overlap.add(tasks_[0]);
  overlap.finish();
  EXPECT_EQ(overlap.judged(), 0);
  EXPECT_FALSE(fs::exists(run.folder().ledger()));
}

TEST_F(Overlap, EndsWithItsRoundEvenIfNobodyFinishesIt) {
  const auto session = open();
  {
    OverlapJudge overlap(*session, 1);
    for (const JudgeTask& task : tasks_) overlap.add(task);
  }
  EXPECT_NO_THROW(require_judge(*session, 1)) << "the ledger is free again";
}

TEST_F(Overlap, WhatNoTimeMendsIsThrownToTheGeneratingThread) {
  const auto session = open();
  OverlapJudge overlap(*session, 1);
  fs::remove(run_.root() / "judge.sh");
  for (const JudgeTask& task : tasks_) {
    try {
      overlap.add(task);
    } catch (const Error&) {
      break;  // already known
    }
  }
  expect_error([&] { overlap.finish(); }, ExitCode::kConfig, "judge.sh");
}

TEST_F(Overlap, AStoppedRunDoesNotWait) {
  const auto session = open();
  OverlapJudge overlap(*session, 1);
  run_.stop.request(SIGTERM);
  expect_error([&] { overlap.finish(); }, ExitCode::kStopped);
}

TEST(OverlapInARun, GenerationAndJudgingTogetherGiveTheSameFiles) {
  TinyRun together, apart;
  const auto sets = together.judged_by_program({"rounds=1"});
  (void)together.run(sets);
  const auto sets_apart = apart.judged_by_program({"rounds=1"});
  for (const Stage stage : {Stage::generate, Stage::judge, Stage::train}) {
    apart.run_stage(stage, 1, sets_apart);
  }
  const auto finished = together.journal_of("stage_finished");
  EXPECT_EQ(finished[1]["judged_ahead"], 2) << "the key of all journals so far";
  EXPECT_EQ(apart.journal_of("stage_finished")[0]["judged_ahead"], 0);
  EXPECT_EQ(together.text(1, RoundFile::training_data), apart.text(1, RoundFile::training_data));
  EXPECT_EQ(together.weights(1), apart.weights(1));
}

}  // namespace
}  // namespace thoughtrank
