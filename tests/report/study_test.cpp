#include "thoughtrank/report/study.h"

#include <gtest/gtest.h>

#include <cmath>

#include "report/chart.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

StudyMean mean_of(const std::vector<std::vector<double>>& values) {
  return study_mean(values).value();
}

// Reference values: scipy.stats.t.interval(.95, 2, mean, sem) of the seeds' means, and 1.959964
// times the standard error of the mean over prompts.
TEST(StudyMeanTest, SeedsThatDifferMakeStudentsInterval) {
  const StudyMean mean = mean_of({{1, 1, 1, 1}, {0, 0, 0, 0}, {1, 1, 0, 0}});
  EXPECT_DOUBLE_EQ(mean.value, 50);
  EXPECT_NEAR(mean.half_width, 124.2, 0.1);  // sd .5, over the root of 3, times 4.3027
  EXPECT_EQ(mean.seeds, 3);
  EXPECT_EQ(mean.prompts, 12);
  EXPECT_FALSE(mean.is_clear());
}

TEST(StudyMeanTest, SeedsThatAgreeByChanceCannotHideThePrompts) {
  const StudyMean mean = mean_of({{1, 0, 1, 0}, {0, 1, 0, 1}, {1, 1, 0, 0}});
  // Each seed: variance 1/3 over 4 prompts; three seeds.
  EXPECT_NEAR(mean.half_width, 100 * 1.959964 * std::sqrt(3 * (1.0 / 3) / 4) / 3, 1e-9);
}

TEST(StudyMeanTest, OneSeedHasThePromptsAlone) {
  const StudyMean mean = mean_of({{1, 1, 1, 0}});
  EXPECT_DOUBLE_EQ(mean.value, 75);
  EXPECT_NEAR(mean.half_width, 100 * 1.959964 * std::sqrt(0.25 / 4), 1e-9);
  EXPECT_FALSE(study_mean({}).has_value());
  EXPECT_FALSE(study_mean({{}, {}}).has_value());
}

TEST(StudyMeanTest, ManySeedsComeNearTheNormalInterval) {
  std::vector<std::vector<double>> values;
  for (int n = 0; n < 41; ++n) values.push_back({n % 2 == 0 ? 1.0 : 0.0});
  const double deviation = std::sqrt(41.0 / 40 * (21.0 / 41) * (20.0 / 41));
  // scipy.stats.t.ppf(.975, 40) = 2.021075
  EXPECT_NEAR(mean_of(values).half_width, 100 * 2.021075 * deviation / std::sqrt(41), 0.01);
}

// A study of one task, three arms, two seeds, two rounds, four questions.
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
    for (size_t n = 0; n < right.size(); ++n) {
      row.prompt_ids.push_back(fmt::format("s{}-p{}", seed, n));
    }
    row.right = right;
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
  EXPECT_EQ(task.heldout, 4);
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
      text.find("sums: the recipe ends 50.0 ± 40.0 points above the untrained model in its best "
                "form, with examples and a thought (25.0 %)."),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("sums: the recipe ends no further from its best round, 1, than chance goes"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("| recipe | 0.0 ± 0.0 | 100.0 ± 0.0 "), std::string::npos) << text;
  EXPECT_NE(text.find("| late   | –         | –"), std::string::npos) << text;
  EXPECT_NE(text.find("a random <winner>"), std::string::npos) << text;
  EXPECT_EQ(text.find("## sums: small sums\n"), 0u) << text;
  // All prompts of both seeds agree on this one.
  rows_.clear();
  for (const int64_t seed : {1, 2}) {
    add("recipe", seed, 0, AnswerForm::thought, {0, 0, 0, 0});
    add("recipe", seed, 2, AnswerForm::thought, {1, 1, 1, 1});
    add("chance", seed, 2, AnswerForm::thought, {0, 0, 0, 0});
  }
  publish_rows(folder_.path() / kStudyResults, rows_);
  const std::string clear = format_study(report());
  EXPECT_NE(clear.find("sums: the recipe ends 100.0 ± 0.0 points above a random <winner>"),
            std::string::npos)
      << clear;
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
