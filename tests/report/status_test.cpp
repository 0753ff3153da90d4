#include "thoughtrank/report/status.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/report/inspect.h"

namespace thoughtrank {
namespace {

// A run folder as `run` leaves it in the middle of round 1: generated, not judged.
class FakeRun : public testing::Test {
 protected:
  FakeRun() {
    publish_file(folder_.frozen(), R"({"config": {"rounds": 2, "judge": {"kind": "reference"}}})");
    fs::create_directories(folder_.work(1));
    PromptRow prompt;
    prompt.prompt_id = "p";
    prompt.prompt = "Which?";
    publish_rows<PromptRow>(folder_.file(1, RoundFile::prompts), {prompt});
    publish_rows<OutputRow>(folder_.file(1, RoundFile::outputs),
                            {make_output(0, "red"), make_output(1, "\x1b[31mblue")});
    Journal journal(folder_.journal(), [](const Json&) {});
    journal.append({{"event", "stage_started"}, {"round", 1}, {"stage", "generate"}});
    journal.append({{"event", "stage_finished"},
                    {"round", 1},
                    {"stage", "generate"},
                    {"seconds", 2.0},
                    {"units", 50},
                    {"unit", "tokens"}});
    journal.append({{"event", "stage_started"}, {"round", 1}, {"stage", "judge"}});
  }
  static OutputRow make_output(int64_t branch, const std::string& answer) {
    OutputRow row;
    row.prompt_id = "p";
    row.round = 1;
    row.branch = branch;
    row.char_ = branch == 0 ? "a" : "b";
    row.thought = "hm";
    row.answer = answer;
    row.thought_end = ThoughtEnd::model;
    row.finish = Finish::eos;
    return row;
  }

  void publish_ranking() {
    BestOutputRow best;
    best.prompt_id = "p";
    best.round = 1;
    best.status = SelectionStatus::trained;
    best.winner = 1;
    best.worst = 0;
    best.items = {{.branch = 1, .utility = 1}, {.branch = 0, .utility = 0}};
    best.usd = 0.25;
    publish_rows<BestOutputRow>(folder_.file(1, RoundFile::best_outputs), {best});
  }

  const TemporaryFolder temporary_;
  const RunFolder folder_{temporary_.path()};
};

TEST_F(FakeRun, StagesAreFinishedBegunOrWaiting) {
  const RunStatus status = read_status(folder_.root());
  EXPECT_EQ(status.rounds, 2);
  EXPECT_FALSE(status.is_finished());
  ASSERT_EQ(status.history.size(), 3u);
  const auto& stages = status.history[1].stages;
  ASSERT_EQ(stages.size(), 4u);
  EXPECT_EQ(stages[0].state, StageStatus::State::finished);
  EXPECT_EQ(stages[0].rate, 25);
  EXPECT_EQ(stages[1].state, StageStatus::State::begun);
  EXPECT_EQ(stages[2].state, StageStatus::State::waiting);
}

TEST_F(FakeRun, WhyARoundStoppedIsSaidUntilItIsTriedAgain) {
  const Json judge = {{"event", "stage_failed"},
                      {"round", 1},
                      {"stage", "judge"},
                      {"code", 69},
                      {"reason", "the judge cannot tell answers apart"}};
  Journal(folder_.journal(), [](const Json&) {}).append(judge);
  const std::string text = format_status(read_status(folder_.root()));
  EXPECT_NE(text.find("judge stopped: the judge cannot tell answers apart"), std::string::npos);
  Journal(folder_.journal(), [](const Json&) {
  }).append({{"event", "stage_started"}, {"round", 1}, {"stage", "judge"}});
  EXPECT_EQ(format_status(read_status(folder_.root())).find("stopped"), std::string::npos);
}

TEST_F(FakeRun, WinnersAndCostAreCounted) {
  publish_ranking();
  const RunStatus status = read_status(folder_.root());
  EXPECT_EQ(status.history[1].trained, 1);
  EXPECT_EQ(status.history[1].usd, 0.25);
  EXPECT_NE(format_status(status).find("1 of 1"), std::string::npos);
}

TEST_F(FakeRun, StatusAndInspectShowTheAudit) {
  publish_ranking();
  EXPECT_EQ(format_status(read_status(folder_.root())).find("audit"), std::string::npos);
  publish_file(folder_.file(1, RoundFile::audit), R"({"round": 1, "judges": [{"judge": "openai:x",
    "calls": 40, "sigma": 1.5, "length_effect": 0.3, "flip_rate": {"mean": 0.25, "error": 0.1, "count": 8},
    "kendall_tau": {"mean": 0.75, "error": 0.05, "count": 8}, "position": null,
    "planted_errors": null, "duplicate_gap": null, "abstained": 0.025, "malformed": 0}],
    "agreement": [], "length_correlation": null, "chosen_minus_median_length": null,
    "findings": ["\u001b[2Jit likes cats"]})");
  for (const std::string& text : {format_status(read_status(folder_.root())),
                                  inspect_run(folder_.root(), {.round = {}, .prompt_id = ""})}) {
    EXPECT_NE(
        text.find("openai:x: 40 calls, sigma 1.50 (how far it tells answers apart), length +0.30 "
                  "taken out, abstained 2.5 %"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("8 sets shown twice: first place changed 0.25"), std::string::npos);
    EXPECT_NE(text.find("nothing was planted"), std::string::npos);
    EXPECT_EQ(text.find("length and utility"), std::string::npos) << text;
    EXPECT_NE(text.find("it likes cats"), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
  }
}

TEST_F(FakeRun, InspectRanksAndTamesTheText) {
  publish_ranking();
  const std::string text = inspect_run(folder_.root(), {.round = {}, .prompt_id = "p"});
  EXPECT_LT(text.find("blue"), text.find("red"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_THROW((void)inspect_run(folder_.root(), {.round = {}, .prompt_id = "q"}), Error);
}

TEST_F(FakeRun, AFolderThatIsNoRunIsNamed) {
  expect_error(
      [&] { (void)read_status(folder_.root() / "round-01"); }, ExitCode::kMissingInput, "run.json");
}

TEST_F(FakeRun, TheNewestSummaryIsShown) {
  for (const int64_t round : {1, 2}) {
    fs::create_directories(folder_.round(round));
    publish_file(folder_.file(round, RoundFile::summary),
                 dump_json(Json{{"round", round},
                                {"branches", 0},
                                {"right", nullptr},
                                {"distinct_answers", nullptr},
                                {"lift", nullptr},
                                {"findings", Json::array({"exploration narrows"})}}));
  }
  const std::string text = format_status(read_status(folder_.root()));
  EXPECT_EQ(text.find("summary of round 1"), std::string::npos);
  EXPECT_NE(text.find("\nsummary of round 2\n  ! exploration narrows\n"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace thoughtrank
