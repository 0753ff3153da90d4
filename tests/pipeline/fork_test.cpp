#include "thoughtrank/pipeline/fork.h"

#include "pipeline/tiny_run.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/data/ledger_accounts.h"

namespace thoughtrank {
namespace {

// Two finished rounds, and forks of them in other folders.
class Fork : public testing::Test {
 protected:
  Fork() { (void)run_.run(); }

  [[nodiscard]] RunConfig config(std::vector<std::string> sets = {},
                                 const std::string& name = "fork") const {
    sets.push_back("run_dir=" + (run_.root() / name).string());
    return run_.config(sets);
  }
  void fork(const RunConfig& config, int64_t round) {
    fork_run(config, {.from = run_.folder().root(), .round = round});
  }
  void expect_refused(const RunConfig& config,
                      int64_t round,
                      ExitCode code,
                      const std::string& part) {
    expect_error([&] { fork(config, round); }, code, part);
    EXPECT_FALSE(fs::exists(config.run_dir));
  }
  [[nodiscard]] bool is_linked(const std::string& file) const {
    const fs::path taken = run_.folder("fork").root() / file;
    return fs::exists(taken) && fs::equivalent(taken, run_.folder().root() / file);
  }

  TinyRun run_;
};

TEST_F(Fork, TakesOverRoundsAndBranchesWithoutACopy) {
  fork(config(), 2);
  for (const char* file : {"round-00/eval.jsonl",
                           "round-01/training_data.jsonl",
                           "round-01/checkpoint/model.safetensors",
                           "round-02/outputs.jsonl"}) {
    EXPECT_TRUE(is_linked(file)) << file;
  }
  const RunFolder made = run_.folder("fork");
  EXPECT_FALSE(fs::exists(made.file(2, RoundFile::verdicts)));
  EXPECT_FALSE(fs::exists(made.work(1))) << "unfinished work of the other run";
  EXPECT_FALSE(fs::exists(made.frozen())) << "a fork is frozen at its own first start";
}

// The source asked no task: a later round's gate would have nothing to compare with, and from round
// 1 on the untrained model is asked anew.
TEST_F(Fork, AGateOnATaskNeedsTheUntrainedModelsAnswers) {
  const std::string tasks =
      "evaluate.tasks=[{name: sums, path: " + (run_.root() / "prompts.jsonl").string() +
      ", prompts: 2";
  expect_refused(
      config({tasks + ", max_fall: 5}]"}), 2, ExitCode::kConfig, "'sums' has a max_fall, but");
  fork(config({tasks + ", max_fall: 100}]"}), 1);
  EXPECT_FALSE(fs::exists(run_.folder("fork").round(0))) << "anchors without the task";
  EXPECT_TRUE(run_rounds(config({tasks + ", max_fall: 100}]"}), run_.clock, run_.stop));
  EXPECT_TRUE(fs::exists(run_.folder("fork").file(0, RoundFile::tasks)));
}

// The same name stands for other questions.
TEST_F(Fork, AGateOnATaskNeedsAnswersToTheSameQuestions) {
  const std::string file = (run_.root() / "sums.jsonl").string();
  const auto questions = [&](const char* first) {
    write_plainly(file,
                  fmt::format(R"({{"id": "g", "prompt": "{}", "answer": "7"}})", first) + "\n");
  };
  const auto task = [&](const std::string& rest) {
    return std::vector<std::string>{"evaluate.tasks=[{name: sums, path: " + file + rest + "}]"};
  };
  questions("3+4?");
  TinyRun asked;
  ASSERT_TRUE(asked.run(task(", max_fall: 100")));
  const auto refuse = [&](const std::string& rest) {
    RunConfig forked = asked.config(task(rest));
    forked.run_dir = (asked.root() / "fork").string();
    expect_error([&] { fork_run(forked, {.from = asked.folder().root(), .round = 2}); },
                 ExitCode::kConfig,
                 "asked as here");
  };
  refuse(", max_fall: 1, answer_tokens: 3");
  questions("3+5?");
  refuse(", max_fall: 1");
}

TEST_F(Fork, AnchorsOfAnotherJudgeAreMadeAnew) {
  run_.write_prompts(8, /*has_answers=*/true);
  fork(config({"judge.kind=reference", "judge.match=regex"}), 1);
  EXPECT_FALSE(fs::exists(run_.folder("fork").round(0)));
}

TEST_F(Fork, TheSameConfigEndsWithTheSameBytes) {
  fork(config(), 2);
  EXPECT_TRUE(run_rounds(config(), run_.clock, run_.stop));
  const RunFolder made = run_.folder("fork");
  for (const RoundFileEntry& entry : kRoundFiles) {
    if (!entry.stage) continue;
    EXPECT_EQ(read_file(made.file(2, entry.file)), run_.text(2, entry.file)) << entry.name;
  }
  EXPECT_EQ(read_file(made.checkpoint(2) / "model.safetensors"), run_.weights(2));
}

TEST_F(Fork, TheSameCommandAgainResumes) {
  fork(config(), 2);
  const std::string journal = read_file(run_.folder("fork").journal());
  fork(config(), 2);
  EXPECT_EQ(read_file(run_.folder("fork").journal()), journal);
  expect_error([&] { fork(config(), 1); }, ExitCode::kConfig, "holds something else already");
}

TEST_F(Fork, BranchesThatWouldDifferAreLeftBehind) {
  fork(config({"generate.answer_tokens=5"}), 2);
  EXPECT_TRUE(is_linked("round-01/outputs.jsonl"));
  EXPECT_FALSE(fs::exists(run_.folder("fork").file(2, RoundFile::outputs)));
}

// The untrained model asked otherwise, or judged by another, is another anchor.
TEST_F(Fork, AnchorsThatWouldDifferAreMadeAnew) {
  fork(config({"judge.kind=reference"}), 1);
  const RunFolder made = run_.folder("fork");
  EXPECT_FALSE(fs::exists(made.round(0)));
  EXPECT_EQ(RunLog::read_only(made.journal()).finished(0, Stage::evaluate), nullptr);
  fs::remove_all(made.root());
  fork(config({"train.learning_rate=3e-3"}), 1);
  EXPECT_TRUE(is_linked("round-00/eval.jsonl"));
  EXPECT_NE(RunLog::read_only(made.journal()).finished(0, Stage::evaluate), nullptr);
}

TEST_F(Fork, OtherTrainingKeepsTheBranches) {
  const auto hot = config({"train.learning_rate=3e-3"});
  fork(hot, 2);
  EXPECT_TRUE(run_rounds(hot, run_.clock, run_.stop));
  const RunFolder made = run_.folder("fork");
  EXPECT_EQ(read_file(made.file(2, RoundFile::outputs)), run_.text(2, RoundFile::outputs));
  EXPECT_NE(read_file(made.checkpoint(2) / "model.safetensors"), run_.weights(2));
}

TEST_F(Fork, WhatItsRoundsStandOnMayNotChange) {
  expect_refused(config({"seed=4"}), 2, ExitCode::kConfig, "seed: 3 -> 4");
  expect_refused(config({"prompts.holdout=1"}), 2, ExitCode::kConfig, "prompts.holdout: 2 -> 1");
  run_.write_prompts(7, /*has_answers=*/true);
  expect_refused(config(), 2, ExitCode::kConfig, "the prompts' file");
}

TEST_F(Fork, OnlyPublishedWholeRoundsAreTaken) {
  expect_refused(config({"rounds=1"}), 2, ExitCode::kConfig, "has rounds: 1");
  expect_error([&] { fork_run(config(), {.from = run_.root(), .round = 1}); },
               ExitCode::kMissingInput,
               "no run in it");
  const fs::path file = run_.folder().file(1, RoundFile::outputs);
  write_plainly(file, read_file(file) + " ");
  expect_refused(
      config(), 2, ExitCode::kBadData, "outputs.jsonl is not the file that was published");
}

TEST_F(Fork, ARoundThatIsNotFinishedIsNamed) {
  const RunConfig other = run_.config({"run_dir=" + (run_.root() / "half").string()});
  run_one_stage(other, Stage::generate, 1, run_.clock, run_.stop);
  expect_error([&] { fork_run(config(), {.from = run_.root() / "half", .round = 2}); },
               ExitCode::kMissingInput,
               "has not finished round 1: judge");
}

TEST_F(Fork, WeightsThatWerePurgedCannotBeStartedFrom) {
  fs::remove(run_.folder().checkpoint(1) / "model.safetensors");
  expect_refused(config(), 2, ExitCode::kMissingInput, "which is not whole");
}

TEST_F(Fork, ARunThatWorksIsNotForked) {
  const RunLock lock(run_.folder().root());
  expect_refused(config(), 2, ExitCode::kLocked, "");
}

TEST_F(Fork, CallsInABatchFileWouldBePaidTwice) {
  {
    Journal ledger(run_.folder().ledger(), [](const Json&) {});
    ledger.append({{"type", "batched"}, {"request", "r"}, {"reserved_usd", 0.5}});
  }
  expect_refused(config(), 2, ExitCode::kConfig, "1 judge calls in a batch file");
}

TEST_F(Fork, TheLedgerComesAlong) {
  {
    Journal ledger(run_.folder().ledger(), [](const Json&) {});
    ledger.append({{"type", "failed"}, {"request", "r"}, {"usd", 0.5}});
  }
  fork(config(), 2);
  const fs::path copy = run_.folder("fork").ledger();
  EXPECT_EQ(read_file(copy).find(read_file(run_.folder().ledger())), 0u);
  EXPECT_FALSE(fs::equivalent(copy, run_.folder().ledger()));
  // What the other run paid does not count against the fork's cap.
  EXPECT_EQ(read_ledger_accounts(run_.folder().ledger()).spent_usd(), 0.5);
  EXPECT_EQ(read_ledger_accounts(copy).spent_usd(), 0);
  {
    Journal ledger(copy, [](const Json&) {});
    ledger.append({{"type", "failed"}, {"request", "s"}, {"usd", 0.25}});
  }
  EXPECT_EQ(read_ledger_accounts(copy).spent_usd(), 0.25);
}

}  // namespace
}  // namespace thoughtrank
