#include "thoughtrank/pipeline/study.h"

#include <map>

#include "pipeline/select_rows.h"
#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/study_rows.h"
#include "thoughtrank/judge/reference.h"

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
    return run_study(study, {}, tiny_.clock, tiny_.stop, [] {}).has_worked;
  }
  [[nodiscard]] std::vector<StudyRow> results(const std::string& folder = "study") const {
    return read_rows<StudyRow>(tiny_.root() / folder / kStudyResults);
  }
  [[nodiscard]] std::string in_root(const std::string& folder) const {
    return "study_dir=" + (tiny_.root() / folder).string();
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
  expect_refused("  - {name: a}\n  - {name: b, set: [prompts.holdout=1]}\n",
                 "task sums, arm b: 'prompts.holdout' differs from that of arm a");
  expect_refused("  - {name: a}\n  - {name: b, about: \"two\\nlines\"}\n", "should be one line");
  expect_refused("  - {name: a, set: [seed=9223372036854775807]}\n", "'seed' is");
  tiny_.write_prompts(8, /*has_answers=*/false);
  expect_refused("  - {name: a}\n", "answer");
  EXPECT_FALSE(fs::exists(tiny_.root() / "study"));
}

// What one arm lacks is found before another one works.
TEST_F(StudyTest, AllArmsAreLookedAtBeforeTheFirstWorks) {
  const Study study =
      load("  - {name: recipe}\n  - {name: own, set: [prompts.examples.path=nowhere.jsonl]}\n");
  expect_error(
      [&] { (void)run(study); }, ExitCode::kMissingInput, {"task sums, arm own:", "nowhere.jsonl"});
  EXPECT_FALSE(fs::exists(tiny_.root() / "study" / "sums" / "recipe-1"));
}

TEST_F(StudyTest, RoundsAfterWeightsThatAreGoneAreRefusedAndNothingIsSpoilt) {
  const std::string arms =
      "  - {name: recipe}\n  - {name: chance, set: [select.control=random_winner]}\n";
  ASSERT_TRUE(run(load(arms)));
  const std::string frozen = read_file(tiny_.root() / "study" / "sums" / "recipe-1" / "run.json");
  write_plainly(tiny_.root() / "more.yaml",
                "study_dir: study\nconfig: round.yaml\nseeds: 2\n"
                "tasks:\n  - {name: sums, set: [rounds=2, prompts.path=prompts.jsonl]}\n"
                "arms:\n" +
                    arms);
  const Study more = load_study({.file = (tiny_.root() / "more.yaml").string(), .sets = {}});
  expect_error([&] { (void)run(more); },
               ExitCode::kConfig,
               {"arm recipe", "round 2 is to start from round 1", "keep_weights"});
  EXPECT_EQ(read_file(tiny_.root() / "study" / "sums" / "recipe-1" / "run.json"), frozen);
  EXPECT_FALSE(run(load(arms))) << "the study is as it was";
}

// The tiny model is never right: its own answers become the references, so that it is.
TEST_F(StudyTest, ARowSaysWhichHeldOutAnswersAreRight) {
  ASSERT_TRUE(run(load("  - {name: recipe}\n", {"seeds=1"})));
  const RunFolder before(tiny_.root() / "study" / "sums" / "recipe-1");
  std::map<std::string, std::string> own;
  for (const EvalRow& row : read_rows<EvalRow>(before.file(1, RoundFile::eval))) {
    own[row.prompt_id] = row.answer;
  }
  std::string prompts;
  for (PromptRow& row : read_prompt_file(tiny_.root() / "prompts.jsonl")) {
    const auto answer = own.find(row.prompt_id);
    if (answer != own.end()) row.answer = answer->second;
    prompts +=
        dump_json({{"id", row.prompt_id}, {"prompt", row.prompt}, {"answer", row.answer}}) + "\n";
  }
  fs::remove_all(tiny_.root() / "study");
  write_plainly(tiny_.root() / "prompts.jsonl", prompts);
  ASSERT_TRUE(run(load("  - {name: recipe}\n", {"seeds=1", "match=exact"})));
  int64_t right = 0;
  for (const StudyRow& row : results()) {
    if (row.round == 0) continue;
    const auto evaluated = read_rows<EvalRow>(before.file(1, RoundFile::eval));
    for (size_t n = 0; n < evaluated.size(); ++n) {
      EXPECT_EQ(
          row.right[n],
          matches_reference(evaluated[n].answer, own.at(row.prompt_ids[n]), ReferenceMatch::exact)
              ? 1
              : 0);
      right += row.right[n];
    }
    int64_t branches_right = 0;
    for (const JudgeTask& task : read_judge_tasks(before, 1)) {
      for (const OutputRow& output : task.outputs) {
        branches_right +=
            matches_reference(output.answer, task.prompt.answer, ReferenceMatch::exact) ? 1 : 0;
      }
    }
    EXPECT_EQ(row.branches_right, branches_right);
  }
  EXPECT_GT(right, 0);
}

TEST_F(StudyTest, ResultsHaveARowForEachFormAndRound) {
  ASSERT_TRUE(run(two_arms()));
  const auto rows = results();
  // Two seeds of two arms: direct and with a thought before the round, with a thought after it.
  ASSERT_EQ(rows.size(), 2u * 2 * 3);
  for (const StudyRow& row : rows) {
    ASSERT_EQ(row.prompt_ids.size(), 2u);
    if (row.round == 0) continue;
    const RunFolder run(tiny_.root() / "study" / "sums" / fmt::format("{}-{}", row.arm, row.seed));
    EXPECT_EQ(row.branches, 2 * 6);
    const auto evaluated = read_rows<EvalRow>(run.file(1, RoundFile::eval));
    for (size_t n = 0; n < evaluated.size(); ++n) {
      EXPECT_EQ(row.prompt_ids[n], evaluated[n].prompt_id);
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
    expect_error([&] { run_study(study, {}, clock, stop, [] {}); }, ExitCode::kStopped, "");
    ASSERT_TRUE(run(study)) << looks;
    EXPECT_EQ(read_file(tiny_.root() / "study" / kStudyResults), whole) << looks;
  }
}

TEST_F(StudyTest, AnArmThatEndsForGoodDoesNotEndTheOthers) {
  const Study study = load(
      "  - {name: recipe}\n"
      "  - {name: mad, set: [train.max_heldout_worse=0.01, train.learning_rate=0.2]}\n"
      "  - {name: chance, set: [select.control=random_winner]}\n");
  EXPECT_EQ(run_study(study, {}, tiny_.clock, tiny_.stop, [] {}).ended_early, 2);
  const auto endings = read_rows<StudyEnding>(tiny_.root() / "study" / kStudyEndings);
  ASSERT_EQ(endings.size(), 2u);
  EXPECT_EQ(endings[1].arm, "mad");
  EXPECT_EQ(endings[1].seed, 2);
  EXPECT_NE(endings[1].reason.find("training raised the held-out loss"), std::string::npos);
  int64_t chance = 0, mad = 0;
  for (const StudyRow& row : results()) {
    if (row.round == 0) continue;
    chance += row.arm == "chance" ? 1 : 0;
    mad += row.arm == "mad" ? 1 : 0;
  }
  EXPECT_EQ(chance, 2);
  EXPECT_EQ(mad, 0);
}

TEST_F(StudyTest, AnArmWorksOnTheTasksThatItNames) {
  const Study study = load(
      "  - {name: recipe}\n"
      "  - {name: chance, tasks: [sums], set: [select.control=random_winner]}\n",
      {});
  EXPECT_EQ(study.runs.size(), 4u);
  expect_refused("  - {name: recipe}\n  - {name: b, tasks: [summs]}\n", "b: 'tasks' has 'summs'");
  expect_refused("  - {name: recipe, tasks: [sums]}\n", "the first arm should have no 'tasks'");
}

// As two machines would: each has a seed, then one takes over what the other has measured.
TEST_F(StudyTest, SeedsMeasuredInTwoFoldersAreOneStudy) {
  ASSERT_TRUE(run(two_arms()));
  const std::string whole = read_file(tiny_.root() / "study" / kStudyResults);
  const std::string arms =
      "  - {name: recipe, about: the recipe}\n"
      "  - {name: chance, set: [select.control=random_winner]}\n";
  const Study second = load(arms, {in_root("second")}), first = load(arms, {in_root("first")});
  EXPECT_EQ(first.design.settings, second.design.settings) << "folders do not count";
  EXPECT_TRUE(run_study(second, 2, tiny_.clock, tiny_.stop, [] {}).has_worked);
  EXPECT_FALSE(fs::exists(second.runs[0].config.run_dir));
  EXPECT_EQ(results("second").size(), 2u * 3);

  expect_error([&] { add_study_results(first, tiny_.root() / "nowhere"); },
               ExitCode::kMissingInput,
               "no results of a study");
  add_study_results(first, tiny_.root() / "second");
  add_study_results(first, tiny_.root() / "second");
  EXPECT_TRUE(run(first));
  EXPECT_FALSE(fs::exists(first.runs[3].config.run_dir)) << "measured elsewhere";
  EXPECT_EQ(read_file(tiny_.root() / "first" / kStudyResults), whole);
  EXPECT_FALSE(run(first)) << "nothing is left";

  add_study_results(second, tiny_.root() / "first");
  EXPECT_TRUE(runs_to_do(second, 1).empty()) << "and the other way: what came from here is known";
  EXPECT_EQ(runs_to_do(second, 2).size(), 2u);
  const Study begun = load(arms, {in_root("begun")});
  fs::create_directories(fs::path(begun.runs[2].config.run_dir) / "anything");
  expect_error([&] { add_study_results(begun, tiny_.root() / "second"); },
               ExitCode::kConfig,
               {"seed 2", "is begun here as well"});
  const Study others =
      load("  - {name: recipe, set: [train.learning_rate=3e-5]}\n", {in_root("others")});
  expect_error([&] { add_study_results(others, tiny_.root() / "second"); },
               ExitCode::kConfig,
               {"arm chance", "other settings"});
  // Settings that change later: what was added stands for nothing any more.
  const Study changed_since = load(
      "  - {name: recipe, about: the recipe, set: [train.learning_rate=3e-5]}\n"
      "  - {name: chance, set: [select.control=random_winner]}\n",
      {in_root("first")});
  EXPECT_EQ(runs_to_do(changed_since, 2).size(), 1u);
  (void)load(arms, {});
  const Study one = load(arms, {in_root("one"), "seeds=1"});
  expect_error([&] { add_study_results(one, tiny_.root() / "second"); },
               ExitCode::kConfig,
               {"seed 2", "seeds are 1 to 1"});
  std::string changed = read_file(tiny_.root() / "second" / kStudyResults);
  const size_t at = changed.find("\"branches_right\":") + std::string("\"branches_right\":").size();
  changed.insert(at, "1");
  write_plainly(tiny_.root() / "second" / kStudyResults, changed);
  expect_error([&] { add_study_results(first, tiny_.root() / "second"); },
               ExitCode::kBadData,
               "added before with other results");
}

TEST_F(StudyTest, EndingsOfOtherSeedsStayWhenOneWorksAlone) {
  const Study study = load(
      "  - {name: recipe}\n"
      "  - {name: mad, set: [train.max_heldout_worse=0.01, train.learning_rate=0.2]}\n");
  for (const int64_t seed : {1, 2, 2}) (void)run_study(study, seed, tiny_.clock, tiny_.stop, [] {});
  EXPECT_EQ(read_rows<StudyEnding>(tiny_.root() / "study" / kStudyEndings).size(), 2u);
  const Study other = load(
      "  - {name: recipe}\n"
      "  - {name: mad, set: [train.max_heldout_worse=0.01, train.learning_rate=0.2]}\n",
      {in_root("other")});
  add_study_results(other, tiny_.root() / "study");
  const StudyOutcome added = run_study(other, {}, tiny_.clock, tiny_.stop, [] {});
  EXPECT_FALSE(added.has_worked) << "what ended early ended, too";
  EXPECT_EQ(added.ended_early, 2);
  EXPECT_EQ(run_study(other, 1, tiny_.clock, tiny_.stop, [] {}).ended_early, 1);
}

}  // namespace
}  // namespace thoughtrank
