#include "thoughtrank/report/inspect.h"

#include <gtest/gtest.h>

#include "report/disk_run.h"
#include "support/expect_error.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

// Round 1: a prompt with eight branches whose answers are their numbers, and one that was skipped.
class Inspect : public DiskRun {
 protected:
  Inspect() {
    publish<PromptRow>(1, "prompts.jsonl", {prompt("p"), prompt("q")});
    std::vector<OutputRow> outputs;
    for (int64_t branch = 0; branch < 8; ++branch) outputs.push_back(output("p", branch));
    outputs.push_back(output("q", 0));
    publish<OutputRow>(1, "outputs.jsonl", outputs);
  }

  static PromptRow prompt(const std::string& id) {
    PromptRow row;
    row.prompt_id = id;
    row.prompt = "What is\n" + id + "?";
    return row;
  }
  static OutputRow output(const std::string& prompt_id, int64_t branch) {
    OutputRow row;
    row.prompt_id = prompt_id;
    row.round = 1;
    row.branch = branch;
    row.char_ = std::string(1, static_cast<char>('a' + branch));
    row.thought = "thought-" + std::to_string(branch);
    row.answer = "answer-" + std::to_string(branch);
    row.thought_end = ThoughtEnd::model;
    row.finish = Finish::eos;
    row.answer_logprob = -1.25;
    return row;
  }
  // Branch 7 first, then 6, …; branches 0 and 1 were not ranked.
  void rank() const {
    BestOutputRow best, skipped;
    best.prompt_id = "p";
    best.round = skipped.round = 1;
    best.status = SelectionStatus::trained;
    best.winner = 7;
    for (int64_t branch = 7; branch >= 2; --branch) {
      best.items.push_back({.branch = branch,
                            .multiplicity = branch == 6 ? 3 : 1,
                            .utility = static_cast<double>(branch) - 5});
    }
    skipped.prompt_id = "q";
    skipped.status = SelectionStatus::skipped;
    skipped.reason = "one distinct answer";
    publish<BestOutputRow>(1, "best_outputs.jsonl", {best, skipped});
  }
  [[nodiscard]] std::string show(const InspectOptions& options) const {
    return inspect_run(run_.path(), options);
  }
};

TEST_F(Inspect, TheOverviewHasPromptsAndOnceJudgedTheirWinners) {
  EXPECT_EQ(show({.round = {}, .prompt_id = ""}),
            "round 1: 2 prompts; --prompt ID shows the candidates of one\n\n"
            "p  What is p?\n"
            "q  What is q?\n");
  rank();
  EXPECT_EQ(show({.round = {}, .prompt_id = ""}),
            "round 1: 2 prompts; --prompt ID shows the candidates of one\n\n"
            "p  What is p?\n"
            "    trained: 'h' answer-7\n"
            "q  What is q?\n"
            "    skipped (one distinct answer)\n");
}

TEST_F(Inspect, BeforeJudgingEveryBranchIsShown) {
  const std::string text = show({.round = 1, .prompt_id = "p"});
  for (int branch = 0; branch < 8; ++branch) {
    EXPECT_NE(text.find("answer-" + std::to_string(branch)), std::string::npos);
  }
  EXPECT_NE(text.find("  - 'a'  thought ends by model, answer by eos, logprob -1.2\n"
                      "    thought: thought-0\n    answer:  answer-0\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("--all"), std::string::npos);
}

TEST_F(Inspect, TheBestFiveAreShownInTheirOrder) {
  rank();
  const std::string text = show({.round = {}, .prompt_id = "p"});
  size_t place = 0;
  for (int branch = 7; branch >= 3; --branch) {
    const size_t found = text.find("answer-" + std::to_string(branch));
    ASSERT_NE(found, std::string::npos) << text;
    EXPECT_GT(found, place);
    place = found;
  }
  for (const char* left_out : {"answer-2", "answer-1", "answer-0"}) {
    EXPECT_EQ(text.find(left_out), std::string::npos) << text;
  }
  EXPECT_NE(text.find(" 1. +2.000 'h'"), std::string::npos) << text;
  EXPECT_NE(text.find(" 2. +1.000 ×3 'g'"), std::string::npos) << text;
  EXPECT_NE(text.find("8 branches in all; --all shows every one in full"), std::string::npos);
}

TEST_F(Inspect, AllShowsTheUnrankedBranchesAfterTheRankedOnes) {
  rank();
  const std::string text = show({.round = {}, .prompt_id = "p", .shows_all = true});
  EXPECT_LT(text.find("answer-7"), text.find("answer-2"));
  EXPECT_LT(text.find("answer-2"), text.find("answer-0"));
  EXPECT_LT(text.find("answer-0"), text.find("answer-1"));
  EXPECT_EQ(text.find("--all"), std::string::npos);
}

TEST_F(Inspect, LongTextIsCutBetweenCharactersUnlessAllIsShown) {
  OutputRow row = output("p", 0);
  for (int n = 0; n < 50; ++n) row.answer += "é\n";
  publish<OutputRow>(1, "outputs.jsonl", {row});
  for (int64_t width = 9; width < 16; ++width) {
    const std::string text = show({.round = {}, .prompt_id = "p", .width = width});
    const size_t from = text.find("answer:  ") + 9;
    const std::string shown = text.substr(from, text.find('\n', from) - from);
    ASSERT_TRUE(shown.ends_with("…")) << shown;
    EXPECT_LE(shown.size(), static_cast<size_t>(width) + std::string("…").size());
    EXPECT_EQ(complete_utf8_prefix(shown), shown.size()) << shown;
    EXPECT_TRUE(row.answer.starts_with("answer-0"));
  }
  const std::string whole = show({.round = {}, .prompt_id = "p", .shows_all = true, .width = 9});
  EXPECT_NE(whole.find(row.answer), std::string::npos);
}

TEST_F(Inspect, TheNewestRoundWithOutputsIsTaken) {
  publish<PromptRow>(2, "prompts.jsonl", {prompt("r")});
  EXPECT_NE(show({.round = {}, .prompt_id = ""}).find("round 1:"), std::string::npos);
  publish<OutputRow>(2, "outputs.jsonl", {output("r", 0)});
  EXPECT_NE(show({.round = {}, .prompt_id = ""}).find("round 2:"), std::string::npos);
  EXPECT_NE(show({.round = 1, .prompt_id = ""}).find("round 1:"), std::string::npos);
}

TEST_F(Inspect, WhatIsNotThereIsNamed) {
  expect_error([&] { (void)show({.round = {}, .prompt_id = "z"}); },
               ExitCode::kMissingInput,
               "round 1 has no prompt 'z'");
  expect_error(
      [&] { (void)show({.round = 2, .prompt_id = ""}); }, ExitCode::kMissingInput, "prompts.jsonl");
  const TemporaryFolder empty;
  expect_error([&] { (void)inspect_run(empty.path(), {.round = {}, .prompt_id = ""}); },
               ExitCode::kMissingInput,
               "has no round with outputs yet");
}

}  // namespace
}  // namespace thoughtrank
