#include "thoughtrank/pipeline/study.h"

#include <map>

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

// Two arms on one task, one round each, on the tiny model.
class StudyTest : public testing::Test {
 protected:
  StudyTest() { (void)tiny_.config(); }  // writes round.yaml and prompts.jsonl

  [[nodiscard]] Study load(const std::string& arms, const std::vector<std::string>& sets = {}) {
    write_plainly(tiny_.root() / "study.yaml",
                  "study_dir: study\nconfig: round.yaml\nseeds: 2\n"
                  "tasks:\n  - {name: sums, set: [rounds=1, prompts.path=prompts.jsonl]}\n"
                  "arms:\n" +
                      arms);
    return load_study({.file = (tiny_.root() / "study.yaml").string(), .sets = sets});
  }
  [[nodiscard]] Study two_arms() {
    return load(
        "  - {name: recipe, about: the recipe}\n"
        "  - {name: chance, set: [select.control=random_winner]}\n");
  }
  bool run(const Study& study) {
    return run_study(study, tiny_.clock, tiny_.stop, [] {});
  }
  [[nodiscard]] std::vector<StudyRow> results(const std::string& folder = "study") const {
    return read_rows<StudyRow>(tiny_.root() / folder / kStudyResults);
  }
  void expect_refused(const std::string& arms, const std::string& part) {
    expect_error([&] { (void)load(arms); }, ExitCode::kConfig, part);
  }

  TinyRun tiny_;
};

TEST_F(StudyTest, EachRunHasTheKeysOfItsTaskAndArmASeedAndAFolder) {
  const Study study = two_arms();
  ASSERT_EQ(study.runs.size(), 4u);
  const StudyRun& run = study.runs[3];
  EXPECT_EQ(run.arm, "chance");
  EXPECT_EQ(run.seed, 2);
  EXPECT_EQ(run.config.seed, 3 + 1) << "the config's seed and those after it";
  EXPECT_EQ(run.config.rounds, 1);
  EXPECT_EQ(run.config.select.control, SelectControl::random_winner);
  EXPECT_EQ(run.config.prompts.path, (tiny_.root() / "prompts.jsonl").string())
      << "relative to the study's file";
  EXPECT_EQ(run.config.run_dir, (tiny_.root() / "study" / "sums" / "chance-2").string());
  EXPECT_EQ(study.runs[0].config.select.control, SelectControl::none);
  EXPECT_EQ(study.design.arms[0].about, "the recipe");
}

TEST_F(StudyTest, ProblemsAreToldWithTheArmBeforeAnyWork) {
  expect_refused("  - {name: ../up}\n", "found '../up'");
  expect_refused("  - {name: a}\n  - {name: a}\n", "the name 'a' stands twice");
  expect_refused("  - {name: a, set: [select.kontrol=none]}\n", "task sums, arm a: --set");
  expect_refused("  - {name: a}\n  - {name: b, set: [rounds=3]}\n",
                 "task sums, arm b: all runs should have the same 'rounds'");
  tiny_.write_prompts(8, /*has_answers=*/false);
  expect_refused("  - {name: a}\n", "answer");
  EXPECT_FALSE(fs::exists(tiny_.root() / "study"));
}

TEST_F(StudyTest, ARowSaysWhichHeldOutAnswersAreRight) {
  ASSERT_TRUE(run(two_arms()));
  const auto rows = results();
  // Two seeds of two arms: direct and with a thought before the round, with a thought after it.
  ASSERT_EQ(rows.size(), 2u * 2 * 3);
  std::map<std::string, std::string> answers;
  for (const PromptRow& row : read_prompt_file(tiny_.root() / "prompts.jsonl")) {
    answers[row.prompt_id] = row.answer;
  }
  for (const StudyRow& row : rows) {
    ASSERT_EQ(row.prompt_ids.size(), 2u);
    if (row.round == 0) continue;
    const RunFolder run(tiny_.root() / "study" / "sums" / fmt::format("{}-{}", row.arm, row.seed));
    EXPECT_EQ(row.branches, 2 * 6);
    const auto evaluated = read_rows<EvalRow>(run.file(1, RoundFile::eval));
    for (size_t n = 0; n < evaluated.size(); ++n) {
      EXPECT_EQ(row.prompt_ids[n], evaluated[n].prompt_id);
      const bool has_it = evaluated[n].answer.find(answers[row.prompt_ids[n]]) != std::string::npos;
      EXPECT_LE(row.right[n], has_it ? 1 : 0) << evaluated[n].answer;
    }
  }
}

TEST_F(StudyTest, WhatArmsHaveInCommonIsMadeOnce) {
  ASSERT_TRUE(run(two_arms()));
  const fs::path task = tiny_.root() / "study" / "sums";
  for (const char* file :
       {"round-00/forms.jsonl", "round-00/eval.jsonl", "round-01/outputs.jsonl"}) {
    EXPECT_TRUE(fs::equivalent(task / "recipe-1" / file, task / "chance-1" / file)) << file;
    EXPECT_FALSE(fs::equivalent(task / "recipe-1" / file, task / "recipe-2" / file)) << file;
  }
}

// From 16 ranked prompts on the audit asks whether the judge tells answers apart.
TEST_F(StudyTest, ControlsWithoutAJudgePassTheGatesOfARoundOfManyPrompts) {
  tiny_.write_prompts(20, /*has_answers=*/true);
  const std::string many = "prompts.per_round=17, branches.chars=ab, train.epochs=1";
  ASSERT_TRUE(run(load("  - {name: recipe, set: [" + many + "]}\n  - {name: chance, set: [" + many +
                           ", select.control=random_winner]}\n  - {name: own, set: [" + many +
                           ", select.control=likeliest_winner]}\n",
                       {"seeds=1"})));
  int64_t after = 0;
  for (const StudyRow& row : results()) after += row.round == 1 ? 1 : 0;
  EXPECT_EQ(after, 3);
}

TEST_F(StudyTest, WeightsAreRemovedOnceTheyAreMeasuredUnlessTheyAreToBeKept) {
  const std::string arms =
      "  - {name: recipe, set: [rounds=2]}\n"
      "  - {name: chance, set: [rounds=2, select.control=random_winner]}\n";
  const fs::path weights = tiny_.root() / "study" / "sums" / "chance-1" / "round-02" /
                           "checkpoint" / "model.safetensors";
  ASSERT_TRUE(run(load(arms)));
  EXPECT_TRUE(fs::exists(weights.parent_path()));
  EXPECT_FALSE(fs::exists(weights));
  EXPECT_FALSE(run(load(arms))) << "nothing is made again for want of weights";
  fs::remove_all(tiny_.root() / "study");
  ASSERT_TRUE(run(load(arms, {"keep_weights=true"})));
  EXPECT_TRUE(fs::exists(weights));
}

TEST_F(StudyTest, AnArmThatGeneratesOtherwiseSharesNothing) {
  const Study study =
      load("  - {name: recipe}\n  - {name: no_thought, set: [generate.thought_tokens=0]}\n");
  ASSERT_TRUE(run(study));
  const fs::path task = tiny_.root() / "study" / "sums";
  EXPECT_FALSE(fs::equivalent(task / "recipe-1" / "round-01" / "outputs.jsonl",
                              task / "no_thought-1" / "round-01" / "outputs.jsonl"));
}

TEST_F(StudyTest, TheSameCommandResumesAndEndsWithTheSameBytes) {
  const Study study = two_arms();
  ASSERT_TRUE(run(study));
  const std::string whole = read_file(tiny_.root() / "study" / kStudyResults);
  EXPECT_FALSE(run(study)) << "all was finished";
  EXPECT_EQ(read_file(tiny_.root() / "study" / kStudyResults), whole);
  for (const int64_t looks : {20, 60, 150, 400}) {
    fs::remove_all(tiny_.root() / "study");
    StopFlag stop;
    StoppingClock clock(stop, looks);
    expect_error([&] { run_study(study, clock, stop, [] {}); }, ExitCode::kStopped, "");
    ASSERT_TRUE(run(study)) << looks;
    EXPECT_EQ(read_file(tiny_.root() / "study" / kStudyResults), whole) << looks;
  }
}

TEST_F(StudyTest, AnArmThatEndsForGoodDoesNotEndTheOthers) {
  const Study study = load(
      "  - {name: recipe}\n"
      "  - {name: mad, set: [train.max_heldout_worse=0.01, train.learning_rate=0.2]}\n"
      "  - {name: chance, set: [select.control=random_winner]}\n");
  expect_error([&] { (void)run(study); }, ExitCode::kTrainingHealth, "");
  int64_t chance = 0, mad = 0;
  for (const StudyRow& row : results()) {
    if (row.round == 0) continue;
    chance += row.arm == "chance" ? 1 : 0;
    mad += row.arm == "mad" ? 1 : 0;
  }
  EXPECT_EQ(chance, 2);
  EXPECT_EQ(mad, 0);
}

}  // namespace
}  // namespace thoughtrank
