#include "report/summary_block.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace thoughtrank {
namespace {

Json full_summary() {
  return {{"round", 2},
          {"prompts", 6},
          {"branches", 372},
          {"thought_tokens", {{"median", 24}, {"p90", 30}}},
          {"answer_tokens", {{"median", 12}, {"p90", 40}}},
          {"answers_cut", 37},
          {"answers_looped", 0},
          {"thoughts_closed", 93},
          {"right",
           {{"match", "numeric"},
            {"prompts", 6},
            {"prompts_with_right", 5},
            {"branches", 372},
            {"branches_right", 132}}},
          {"distinct_answers", {{"mean", 40.25}, {"error", 1.5}, {"count", 6}}},
          {"one_answer_prompts", 0},
          {"winning_chars",
           {{"winners", 5},
            {"distinct", 4},
            {"entropy_bits", 1.92},
            {"most_bits", 2.32},
            {"counts", {{"a", 2}}}}},
          {"lift",
           {{"winners", 5},
            {"positive", 4},
            {"mean", {{"mean", 0.314}, {"error", 0.1}, {"count", 5}}}}},
          {"findings", Json::array({"little is explored"})}};
}

TEST(SummaryBlock, SaysWhatTheBranchesWereLike) {
  EXPECT_EQ(format_summary(full_summary(), "summary.json"),
            "summary of round 2\n"
            "  right (numeric): 132 of 372 branches (35 %), at least one in 5 of 6 prompts\n"
            "  distinct answers: 40.2 a prompt; 5 winners begin with 4 characters, 1.9 of at most "
            "2.3 bits\n"
            "  median tokens: thought 24 (p90 30), answer 12 (p90 40); 25 % of the thoughts closed "
            "by the model, 10 % of the answers cut\n"
            "  lift: 4 of 5 winning answers are likelier with their thought than without, by +0.31 "
            "± 0.10 a token in the mean\n"
            "  ! little is explored\n");
}

TEST(SummaryBlock, LeavesOutWhatIsNotKnown) {
  Json summary = full_summary();
  for (const char* key : {"right", "winning_chars", "lift"}) summary[key] = nullptr;
  summary["findings"] = Json::array();
  EXPECT_EQ(format_summary(summary, "summary.json"),
            "summary of round 2\n"
            "  distinct answers: 40.2 a prompt\n"
            "  median tokens: thought 24 (p90 30), answer 12 (p90 40); 25 % of the thoughts closed "
            "by the model, 10 % of the answers cut\n");
}

TEST(SummaryBlock, AMissingKeyNamesTheFile) {
  Json summary = full_summary();
  summary.erase("lift");
  expect_error([&] { (void)format_summary(summary, "summary.json"); },
               ExitCode::kBadData,
               {"summary.json", "lift"});
}

}  // namespace
}  // namespace thoughtrank
