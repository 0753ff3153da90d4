#include "thoughtrank/pipeline/select_again.h"

#include "pipeline/select_rows.h"
#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

class SelectAgain : public testing::Test {
 protected:
  SelectAgain() : out_(run_.root() / "again") {
    run_.run_stage(Stage::generate, 1);
    run_.run_stage(Stage::judge, 1);
  }
  Json select(const std::vector<std::string>& sets = {}) {
    return select_again(run_.config(sets), 1, out_, run_.clock, run_.stop);
  }
  [[nodiscard]] std::string selected(RoundFile file) const {
    return read_file(out_ / file_name(file));
  }

  TinyRun run_;
  fs::path out_;
};

TEST_F(SelectAgain, TheSameRuleGivesTheSameRows) {
  const Json counts = select();
  EXPECT_EQ(counts["trained"], 2);
  for (const RoundFile file :
       {RoundFile::training_data, RoundFile::preference_pairs, RoundFile::best_outputs}) {
    EXPECT_EQ(selected(file), run_.text(1, file)) << file_name(file);
  }
}

TEST_F(SelectAgain, AStricterRuleTrainsOnLess) {
  const Json counts = select({"select.min_score=1000"});
  EXPECT_EQ(counts["trained"], 0);
  EXPECT_EQ(selected(RoundFile::training_data), "");
  EXPECT_EQ(read_rows<BestOutputRow>(out_ / file_name(RoundFile::best_outputs)).size(), 2u);
}

TEST_F(SelectAgain, MoreWinnersAreTheNextBest) {
  (void)select({"select.winners_per_prompt=3"});
  const auto best = read_rows<BestOutputRow>(out_ / file_name(RoundFile::best_outputs));
  const auto rows = read_rows<TrainingRow>(out_ / file_name(RoundFile::training_data));
  size_t at = 0;
  for (const BestOutputRow& prompt : best) {
    for (size_t place = 0; place < std::min<size_t>(3, prompt.items.size()); ++place, ++at) {
      ASSERT_LT(at, rows.size());
      EXPECT_EQ(rows[at].prompt_id, prompt.prompt_id);
      EXPECT_EQ(rows[at].branch, prompt.items[place].branch);
    }
  }
  EXPECT_EQ(at, rows.size());
}

// The run's own rows say what each winner's thought is worth: nothing is measured again.
TEST_F(SelectAgain, WinnersBelowMinLiftAreNotTrainedOn) {
  auto thoughts = read_rows<ThoughtRow>(run_.folder().file(1, RoundFile::thoughts));
  ASSERT_EQ(thoughts.size(), 2u);
  thoughts[0].lift = 0.5;
  thoughts[1].lift = 0.25;
  publish_rows(run_.folder().file(1, RoundFile::thoughts), thoughts);
  const Json counts = select({"select.min_lift=0.3"});
  EXPECT_EQ(counts["trained"], 1);
  EXPECT_EQ(counts["uncertain"], 1);
  const auto best = read_rows<BestOutputRow>(out_ / file_name(RoundFile::best_outputs));
  EXPECT_EQ(best[1].reason, "lift 0.25 is below select.min_lift 0.3");
}

// A round without such rows, or with other winners, is measured on the weights that generated it.
TEST_F(SelectAgain, WinnersThatWereNotMeasuredAreMeasured) {
  const fs::path file = run_.folder().file(1, RoundFile::thoughts);
  const auto known = read_rows<ThoughtRow>(file);
  fs::remove(file);
  const double between = (known.at(0).lift + known.at(1).lift) / 2;
  const Json counts = select({fmt::format("select.min_lift={}", between)});
  EXPECT_EQ(counts["trained"], 1);
  EXPECT_EQ(counts["uncertain"], 1);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(SelectAgain, WinnersThatCannotBeMeasuredAreAnError) {
  (void)run_.run();
  fs::remove(run_.folder().file(2, RoundFile::thoughts));
  fs::remove_all(run_.folder().checkpoint(1));
  expect_error(
      [&] {
        (void)select_again(run_.config({"select.min_lift=0"}), 2, out_, run_.clock, run_.stop);
      },
      ExitCode::kMissingInput,
      "the weights to measure them with");
}

TEST_F(SelectAgain, ARunsOwnFoldersAreNoTarget) {
  out_ = run_.folder().round(1) / "again";
  expect_error([&] { (void)select(); }, ExitCode::kConfig, "lies in the run folder");
  out_ = run_.root() / "again";
  (void)select();
  expect_error([&] { (void)select(); }, ExitCode::kConfig, "holds a selection already");
}

TEST_F(SelectAgain, ABranchOfNoPromptIsDamage) {
  const fs::path file = run_.folder().file(1, RoundFile::outputs);
  auto rows = read_rows<OutputRow>(file);
  rows[0].prompt_id = "nobody";
  publish_rows(file, rows);
  expect_error([&] { (void)read_judge_tasks(run_.folder(), 1); },
               ExitCode::kBadData,
               "prompt_id 'nobody' is not in prompts.jsonl");
}

}  // namespace
}  // namespace thoughtrank
