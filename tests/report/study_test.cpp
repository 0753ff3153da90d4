#include "thoughtrank/report/study.h"

#include <gtest/gtest.h>

#include <cmath>

#include "report/chart.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

// Values of questions that each seed has for itself.
StudyMean mean_of(const std::vector<std::vector<double>>& values,
                  Measure measure = Measure::accuracy) {
  std::vector<SeedValues> seeds;
  for (const std::vector<double>& of_seed : values) {
    SeedValues& seed = seeds.emplace_back();
    for (size_t n = 0; n < of_seed.size(); ++n) {
      seed[fmt::format("{}-{}", seeds.size(), n)] = of_seed[n];
    }
  }
  return study_mean(seeds, measure).value();
}

std::vector<double> some(int64_t ones, int64_t all) {
  std::vector<double> values(static_cast<size_t>(all), 0);
  std::fill_n(values.begin(), ones, 1);
  return values;
}

// Student's quantiles: t(2) 4.3027, t(59) 2.0010.
TEST(StudyMeanTest, SeedsThatDifferMakeStudentsInterval) {
  const StudyMean mean = mean_of({some(12, 20), some(10, 20), some(8, 20)});
  EXPECT_DOUBLE_EQ(mean.value, 50);
  EXPECT_EQ(mean.seeds, 3);
  EXPECT_EQ(mean.questions, 60);
  const StudyMean apart = mean_of({some(20, 20), some(10, 20), some(0, 20)});
  EXPECT_EQ(apart.low, 0) << "sd .5 over the root of 3, times 4.3: past the ends";
  EXPECT_EQ(apart.high, 100);
}

TEST(StudyMeanTest, SeedsThatAgreeByChanceCannotHideTheQuestions) {
  const StudyMean mean = mean_of({some(10, 20), some(10, 20), some(10, 20)});
  // 30 of 60 right, with two right and two wrong: 32 of 64, deviation .5.
  EXPECT_NEAR(mean.high, 50 + 100 * 2.0010 * 0.5 / 8, 0.01);
  EXPECT_NEAR(mean.low, 50 - 100 * 2.0010 * 0.5 / 8, 0.01);
}

TEST(StudyMeanTest, QuestionsThatAllSeedsAskAreNoNewOnes) {
  SeedValues questions;
  for (int n = 0; n < 20; ++n) questions[fmt::format("q{}", n)] = n < 10 ? 1 : 0;
  const StudyMean once = study_mean({questions}, Measure::accuracy).value();
  const StudyMean thrice = study_mean({questions, questions, questions}, Measure::accuracy).value();
  EXPECT_EQ(thrice.questions, 20);
  EXPECT_NEAR(thrice.low, once.low, 1e-9);
  EXPECT_NEAR(thrice.high, once.high, 1e-9);
}

TEST(StudyMeanTest, QuestionsThatAllAgreeLeaveAWidth) {
  const StudyMean none = mean_of({some(0, 80)});
  EXPECT_EQ(none.value, 0);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 5.7, 0.2) << "Wilson: 4.6, Clopper and Pearson: 4.5";
  // Four gained of four: an exact sign test says p = .125; four of 80 likewise; 12 of 12: .0005.
  EXPECT_FALSE(mean_of({some(4, 4)}, Measure::difference).is_clear());
  EXPECT_FALSE(mean_of({some(4, 80)}, Measure::difference).is_clear());
  EXPECT_TRUE(mean_of({some(12, 12)}, Measure::difference).is_clear());
  EXPECT_TRUE(mean_of({some(8, 80)}, Measure::difference).is_clear());
  EXPECT_FALSE(study_mean({}, Measure::accuracy).has_value());
  EXPECT_FALSE(study_mean({{}, {}}, Measure::accuracy).has_value());
}

// Of 500 studies of three seeds, 40 questions each, the interval holds the truth in some 95 %.
TEST(StudyMeanTest, TheIntervalCoversTheTruthAsOftenAsItSays) {
  for (const double truth : {0.03, 0.3, 0.7}) {
    RandomStream stream(5, "coverage");
    int covered = 0;
    constexpr int kStudies = 500;
    for (int study = 0; study < kStudies; ++study) {
      std::vector<SeedValues> seeds(3);
      std::vector<double> ability(60);  // what the seeds share: how hard a question is
      for (double& each : ability) each = stream.uniform() < truth ? 0.9 : 0.1;
      for (SeedValues& seed : seeds) {
        while (seed.size() < 40) {
          const uint64_t question = stream.below(60);
          seed.try_emplace(std::to_string(question),
                           stream.uniform() < ability[question] ? 1.0 : 0.0);
        }
      }
      const double expected = 100 * (truth * 0.9 + (1 - truth) * 0.1);
      const StudyMean mean = study_mean(seeds, Measure::accuracy).value();
      covered += mean.low <= expected && expected <= mean.high ? 1 : 0;
    }
    EXPECT_GT(covered, kStudies * 92 / 100) << truth;
  }
}

// A study of one task, three arms, two seeds, two rounds, four questions five times.
class StudyReportTest : public testing::Test {
 protected:
  StudyReportTest() {
    const StudyDesign design{
        .tasks = {{"sums", "small sums"}},
        .arms = {{"recipe", "the recipe"}, {"chance", "a random <winner>"}, {"late", ""}},
        .seeds = {1, 2},
        .rounds = 2};
    publish_file(folder_.path() / kStudyDesign, to_json(design).dump() + "\n");
    for (const int64_t seed : {1, 2}) {
      for (const char* arm : {"recipe", "chance"}) {
        add(arm, seed, 0, AnswerForm::thought, {0, 0, 0, 0});
        add(arm, seed, 0, AnswerForm::thought_with_examples, {1, 0, 0, 0});
      }
      add("recipe", seed, 1, AnswerForm::thought, {1, 1, 1, 1});
      add("recipe", seed, 2, AnswerForm::thought, {1, 1, 1, 0});
      add("chance", seed, 1, AnswerForm::thought, {0, 0, 0, 0});
      add("chance", seed, 2, AnswerForm::thought, {1, 0, 0, 0});
    }
    publish_rows(folder_.path() / kStudyResults, rows_);
  }

  void add(const std::string& arm,
           int64_t seed,
           int64_t round,
           AnswerForm form,
           const std::vector<int64_t>& right) {
    StudyRow row;
    row.task = "sums";
    row.arm = arm;
    row.seed = seed;
    row.round = round;
    row.form = form;
    for (size_t n = 0; n < 5 * right.size(); ++n) {
      row.prompt_ids.push_back(fmt::format("s{}-p{}", seed, n));
      row.right.push_back(right[n % right.size()]);
    }
    if (round > 0)
      row.branches = 100, row.branches_right = arm == "recipe" ? 10 * (seed + round) : 5;
    rows_.push_back(row);
  }
  [[nodiscard]] StudyReport report() const { return read_study(folder_.path()); }

  TemporaryFolder folder_;
  std::vector<StudyRow> rows_;
};

TEST_F(StudyReportTest, TellsAccuraciesAndDifferencesByQuestion) {
  const StudyReport found = report();
  const TaskResult& task = found.tasks.at(0);
  EXPECT_EQ(task.heldout, 20);
  EXPECT_EQ(task.questions, 40);
  EXPECT_EQ(task.seeds, 2);
  EXPECT_EQ(task.untrained_form, AnswerForm::thought_with_examples);
  EXPECT_DOUBLE_EQ(task.untrained->value, 25);
  EXPECT_DOUBLE_EQ(task.untrained_alike->value, 0);
  const ArmResult& recipe = task.arms[0];
  EXPECT_DOUBLE_EQ(recipe.accuracy[1]->value, 100);
  EXPECT_DOUBLE_EQ(recipe.accuracy[2]->value, 75);
  EXPECT_DOUBLE_EQ(*recipe.right_branches[2], 35);
  EXPECT_EQ(recipe.best_round, 1);
  EXPECT_DOUBLE_EQ(recipe.last_minus_best_round->value, -25);
  EXPECT_DOUBLE_EQ(recipe.last_minus_untrained->value, 50);
  EXPECT_FALSE(recipe.last_minus_first_arm.has_value());
  const ArmResult& chance = task.arms[1];
  EXPECT_DOUBLE_EQ(chance.last_minus_first_arm->value, -50);
  EXPECT_DOUBLE_EQ(chance.mean_minus_first_arm->value, -75);
  EXPECT_DOUBLE_EQ(*chance.share_of_gain, 1.0 / 3);
  EXPECT_EQ(chance.best_round, 2);
  EXPECT_FALSE(chance.last_minus_best_round.has_value());
}

TEST_F(StudyReportTest, SaysInSentencesWhatIsBeyondChance) {
  const std::string text = format_study(report());
  EXPECT_NE(
      text.find("sums: the recipe ends 50.0 points [31.3, 63.9] above the untrained model in its "
                "best form, with examples and a thought (25.0 %)."),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("sums: the recipe ends 25.0 points"), std::string::npos) << text;
  EXPECT_NE(text.find("| recipe | 0.0 [0.0, 10.9] | 100.0 [89.1, 100.0] "), std::string::npos)
      << text;
  EXPECT_NE(text.find("| late   | –"), std::string::npos) << text;
  EXPECT_NE(text.find("| 0 of 2 |"), std::string::npos) << text;
  EXPECT_NE(text.find("a random <winner>"), std::string::npos) << text;
  EXPECT_EQ(text.find("## sums: small sums\n"), 0u) << text;
}

TEST_F(StudyReportTest, SaysWhichRunsEndedEarlyAndOverWhichSeedsArmsAreCompared) {
  std::erase_if(rows_, [](const StudyRow& row) {
    return row.arm == "chance" && row.seed == 2 && row.round == 2;
  });
  publish_rows(folder_.path() / kStudyResults, rows_);
  publish_rows(folder_.path() / kStudyEndings,
               std::vector<StudyEnding>{
                   {.task = "sums", .arm = "chance", .seed = 2, .reason = "the loss grew"}});
  const std::string text = format_study(report());
  EXPECT_NE(text.find("sums: a random <winner>, seed 2 ended: the loss grew."), std::string::npos)
      << text;
  EXPECT_NE(text.find("(over 1 of 2 seeds)"), std::string::npos) << text;
  EXPECT_NE(text.find("| 1 of 2 |"), std::string::npos) << text;
  // Its gain is compared with that of the same seed.
  EXPECT_DOUBLE_EQ(*report().tasks[0].arms[1].share_of_gain, 1.0 / 3);
}

TEST_F(StudyReportTest, FewQuestionsGetNoVerdict) {
  for (StudyRow& row : rows_) row.prompt_ids.resize(9), row.right.resize(9);
  publish_rows(folder_.path() / kStudyResults, rows_);
  const std::string text = format_study(report());
  EXPECT_NE(text.find("sums: 18 questions tell nothing of the arms"), std::string::npos) << text;
  EXPECT_EQ(text.find("points above"), std::string::npos) << text;
}

TEST_F(StudyReportTest, AStudyThatHasJustBegunIsNoError) {
  publish_rows(folder_.path() / kStudyResults, std::vector<StudyRow>());
  EXPECT_NE(format_study(report()).find("Nothing has been measured yet"), std::string::npos);
  publish_study_report(folder_.path(), report());
  EXPECT_TRUE(fs::exists(folder_.path() / "sums.svg"));
  expect_error([&] { (void)read_study(folder_.path() / "elsewhere"); },
               ExitCode::kMissingInput,
               "there is no study in it");
}

TEST_F(StudyReportTest, WritesTablesChartsAndJson) {
  publish_study_report(folder_.path(), report());
  const Json json = parse_json(read_file(folder_.path() / "study.json"), "study.json");
  EXPECT_DOUBLE_EQ(json["tasks"][0]["arms"][1]["last_minus_first_arm"]["value"], -50);
  EXPECT_EQ(json["design"]["arms"][0]["name"], "recipe");
  EXPECT_EQ(read_file(folder_.path() / "study.md"), format_study(report()));
  const std::string svg = read_file(folder_.path() / "sums.svg");
  EXPECT_EQ(svg.find("<svg xmlns=\"http://www.w3.org/2000/svg\""), 0u);
  EXPECT_NE(svg.find("untrained, with examples and a thought"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(Chart, EscapesWhatPeopleWriteAndLeavesGapsOut) {
  const double none = std::nan("");
  const std::string svg =
      draw({.title = "<script>alert(1)</script> & \"more\"\x01",
            .x_name = "round",
            .y_name = "%",
            .lines = {{.name = "a<b", .y = {10, none, 30, 40}, .low = {}, .high = {}}}});
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_NE(svg.find("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;"),
            std::string::npos);
  EXPECT_EQ(svg.find('\x01'), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  // Two lines: one of a point, one of two.
  size_t lines = 0;
  for (size_t at = svg.find("<polyline"); at != std::string::npos;
       at = svg.find("<polyline", at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines, 2u);
}

}  // namespace
}  // namespace thoughtrank
