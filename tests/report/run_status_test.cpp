// `status` over whole runs: what each file of a run folder adds to the table.
#include <gtest/gtest.h>

#include <array>

#include "report/disk_run.h"
#include "support/expect_error.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {
namespace {

class RunStatusTest : public DiskRun {
 protected:
  [[nodiscard]] RunStatus status() const { return read_status(run_.path()); }
  [[nodiscard]] std::string text() const { return format_status(status()); }
  [[nodiscard]] bool says(const std::string& part) const {
    return text().find(part) != std::string::npos;
  }
};

BestOutputRow best_of(SelectionStatus status, double usd, std::vector<RankedItem> items) {
  BestOutputRow row;
  row.prompt_id = word_of(status, kSelectionStatuses);
  row.round = 1;
  row.status = status;
  row.items = std::move(items);
  row.usd = usd;
  return row;
}

EvalRow eval_of(const std::string& prompt_id) {
  EvalRow row;
  row.prompt_id = prompt_id;
  row.round = 1;
  return row;
}

TEST_F(RunStatusTest, RoundZeroHasItsEvaluationOnly) {
  log({{"event", "run_started"}});
  const RunStatus read = status();
  ASSERT_EQ(read.history.size(), 3U);
  ASSERT_EQ(read.history[0].stages.size(), 1U);
  EXPECT_EQ(read.history[0].stages[0].stage, Stage::evaluate);
  EXPECT_EQ(read.history[2].stages.size(), 4U);
  EXPECT_FALSE(read.is_finished());
}

TEST_F(RunStatusTest, ARunIsFinishedWithItsLastStageAndNotBefore) {
  finish(0, "evaluate");
  for (int64_t round = 1; round <= 2; ++round) {
    for (const char* stage : {"generate", "judge", "train", "evaluate"}) {
      EXPECT_FALSE(status().is_finished()) << round << stage;
      EXPECT_TRUE(says("not finished; the command that began it goes on"));
      finish(round, stage);
    }
  }
  EXPECT_TRUE(status().is_finished());
  EXPECT_TRUE(says(": finished\n"));
}

TEST_F(RunStatusTest, WhoHoldsTheRunIsNamed) {
  log({{"event", "run_started"}});
  EXPECT_FALSE(says("running ("));
  const RunLock lock(run_.path());
  EXPECT_TRUE(says("running (process " + std::to_string(::getpid()))) << text();
}

TEST_F(RunStatusTest, AStageTellsItsTimeItsRateAndHowFarItIs) {
  finish(0, "evaluate");
  start(1, "generate");
  EXPECT_TRUE(says("(1.25 tokens/s)")) << text();
  EXPECT_TRUE(says("begun"));
  EXPECT_FALSE(says("begun, "));
  const std::filesystem::path branches = file(1, ".work/branches.jsonl");
  for (int n = 0; n < 3; ++n) Journal(branches, [](const Json&) {}).append({{"branch", n}});
  EXPECT_EQ(status().history[1].stages[0].done, 3);
  EXPECT_TRUE(says("begun, 3 branches")) << text();
}

TEST_F(RunStatusTest, PromptsAreCountedByWhatBecameOfThem) {
  log({{"event", "run_started"}});
  publish<BestOutputRow>(1,
                         "best_outputs.jsonl",
                         {best_of(SelectionStatus::trained, 0.5, {}),
                          best_of(SelectionStatus::trained, 0.25, {}),
                          best_of(SelectionStatus::uncertain, 0.125, {}),
                          best_of(SelectionStatus::skipped, 0, {}),
                          best_of(SelectionStatus::no_candidates, 0, {})});
  const RoundStatus round = status().history[1];
  EXPECT_EQ(round.trained, 2);
  EXPECT_EQ(round.uncertain, 1);
  EXPECT_EQ(round.skipped, 1);
  EXPECT_EQ(round.no_candidates, 1);
  EXPECT_EQ(round.usd, 0.875);
  EXPECT_TRUE(says("2 of 5")) << text();
  EXPECT_TRUE(says("0.8750")) << text();
}

TEST_F(RunStatusTest, TrainingShowsItsLossesAndTheNewestCheckpointThatIsThere) {
  finish(1, "train");
  finish(2, "train");
  EXPECT_TRUE(says("2.5000 -> 1.2500")) << text();
  EXPECT_EQ(status().history[1].rows, 12);
  EXPECT_EQ(status().history[1].steps, 3);
  EXPECT_TRUE(says("newest checkpoint: " + (run_ / "round-02").string())) << text();
  log({{"event", "checkpoint_purged"}, {"round", 2}});
  EXPECT_TRUE(says("newest checkpoint: " + (run_ / "round-01").string())) << text();
  log({{"event", "checkpoint_purged"}, {"round", 1}});
  EXPECT_FALSE(says("newest checkpoint"));
}

TEST_F(RunStatusTest, TheDistanceFromTheUntrainedModelIsShownWhereTheJournalHasIt) {
  finish(1, "evaluate");  // of an earlier version
  EXPECT_FALSE(status().history[1].kl_to_round_0.has_value());
  log({{"event", "stage_finished"},
       {"round", 2},
       {"stage", "evaluate"},
       {"seconds", 1.0},
       {"units", 1},
       {"unit", "tokens"},
       {"files", Json::object()},
       {"kl_to_round_0", 0.4321}});
  EXPECT_EQ(status().history[2].kl_to_round_0, 0.4321);
  EXPECT_TRUE(says("0.432")) << text();
}

TEST_F(RunStatusTest, TasksAreShownByRoundTheUntrainedModelInItsBestForm) {
  log({{"event", "run_started"}});
  const auto row = [](const char* task, int64_t n, AnswerForm form, bool is_right) {
    TaskRow made;
    made.task = task;
    made.prompt_id = fmt::format("q{}", n);
    made.form = form;
    made.is_right = is_right;
    made.is_cut = n == 0;
    return made;
  };
  std::vector<TaskRow> before, after;
  for (int64_t n = 0; n < 40; ++n) {
    before.push_back(row("gsm8k", n, AnswerForm::direct, n < 4));
    before.push_back(row("gsm8k", n, AnswerForm::thought, n < 10));
    after.push_back(row("gsm8k", n, AnswerForm::thought, n < 20));
  }
  publish<TaskRow>(0, "tasks.jsonl", before);
  publish<TaskRow>(1, "tasks.jsonl", after);
  const RunStatus found = status();
  ASSERT_EQ(found.history[0].tasks.size(), 1u);
  EXPECT_EQ(found.history[0].tasks[0].form, "thought");
  EXPECT_EQ(found.history[0].tasks[0].right.mean, 0.25);
  EXPECT_EQ(found.history[1].tasks[0].right.mean, 0.5);
  EXPECT_EQ(found.history[1].tasks[0].cut, 1);
  EXPECT_TRUE(says("tasks, right [95 %]")) << text();
  EXPECT_TRUE(says("gsm8k (40)")) << text();
  EXPECT_TRUE(says("] thought")) << text();
}

TEST_F(RunStatusTest, HeldOutPromptsWithoutAValueAreLeftOut) {
  log({{"event", "run_started"}});
  EvalRow scored = eval_of("a"), other = eval_of("b"), bare = eval_of("c");
  scored.score = 1;
  other.score = 0.5;
  other.heldout_loss = 3;
  publish<EvalRow>(1, "eval.jsonl", {scored, other, bare});
  const RoundStatus round = status().history[1];
  ASSERT_TRUE(round.score && round.heldout_loss);
  EXPECT_EQ(round.score->count, 2);
  EXPECT_EQ(round.score->mean, 0.75);
  EXPECT_EQ(round.heldout_loss->count, 1);
  EXPECT_FALSE(round.win_rate);
  EXPECT_TRUE(says("held-out score [95 %]"));
  EXPECT_TRUE(says("about 3.0")) << text();
}

TEST_F(RunStatusTest, ManyAnswersCutAtTheLimitOfTheNewestEvaluationAreTold) {
  const auto evaluated = [&](int64_t round, int64_t cut) {
    log({{"event", "stage_finished"},
         {"round", round},
         {"stage", "evaluate"},
         {"seconds", 1},
         {"units", 1},
         {"unit", "tokens"},
         {"files", Json::object()},
         {"cut", cut},
         {"answers", 10}});
  };
  finish(0, "evaluate");  // of an earlier version, which did not count
  EXPECT_FALSE(says("cut at"));
  evaluated(1, 3);
  EXPECT_EQ(status().history[1].heldout_cut, 3);
  EXPECT_TRUE(says("3 of 10 held-out answers of round 1 were cut at generate.answer_tokens"));
  evaluated(2, 1);
  EXPECT_FALSE(says("cut at")) << text();
}

TEST_F(RunStatusTest, AWinRateIsShownInPlaceOfScores) {
  log({{"event", "run_started"}});
  EvalRow won = eval_of("a"), drawn = eval_of("b");
  won.win = 1;
  won.score = 17;
  drawn.win = 0.5;
  publish<EvalRow>(2, "eval.jsonl", {won, drawn});
  EXPECT_TRUE(says("held-out win rate [95 %]"));
  EXPECT_FALSE(says("held-out score"));
  EXPECT_TRUE(says("about 0.8")) << text();
}

// An interval is told where it means something, a sentence where it does not.
TEST_F(RunStatusTest, FewHeldOutPromptsGetASentence) {
  log({{"event", "run_started"}});
  std::vector<EvalRow> rows;
  for (int n = 0; n < 19; ++n) {
    rows.push_back(eval_of("p" + std::to_string(n)));
    rows.back().score = n % 2;
  }
  publish<EvalRow>(1, "eval.jsonl", rows);
  EXPECT_TRUE(says("about 0.5")) << text();
  EXPECT_TRUE(says("19 held-out prompts tell nothing of the model")) << text();
  rows.push_back(eval_of("last"));
  rows.back().score = 1;
  publish<EvalRow>(1, "eval.jsonl", rows);
  EXPECT_TRUE(says("0.500 [0.299, 0.701]")) << text();
  EXPECT_FALSE(says("tell nothing")) << text();
}

TEST_F(RunStatusTest, TheUntrainedModelIsShownInEachFormWithItsBest) {
  log({{"event", "stage_finished"},
       {"round", 0},
       {"stage", "evaluate"},
       {"seconds", 1},
       {"units", 1},
       {"unit", "tokens"},
       {"files", Json::object()},
       {"cut", 0},
       {"answers", 1},
       {"anchor", "thought_with_examples"}});
  std::vector<FormRow> rows;
  for (const auto& form : kAnswerForms) {
    rows.push_back({eval_of("a"), form.value});
    rows.back().score = static_cast<double>(rows.size());
  }
  publish<FormRow>(0, "forms.jsonl", rows);
  ASSERT_EQ(status().history[0].forms.size(), 4u);
  EXPECT_TRUE(says("direct")) << text();
  EXPECT_TRUE(says("about 4.0     its best: what rounds are compared with")) << text();
  EXPECT_EQ(text().find("its best"), text().rfind("its best"));
}

TEST_F(RunStatusTest, MoneyIsSpentReservedAndSaved) {
  log({{"event", "run_started"}});
  EXPECT_FALSE(says("usd: "));
  pay({{"type", "intent"}, {"request", "a"}, {"reserved_usd", 0.5}});
  pay({{"type", "intent"}, {"request", "b"}, {"reserved_usd", 0.25}});
  pay({{"type", "result"}, {"request", "a"}, {"usd", 0.125}});
  pay({{"type", "reused"}, {"request", "a"}, {"usd", 0.125}});
  // Six answers, of which two are distinct, were judged as two for 0.3.
  publish<BestOutputRow>(
      1,
      "best_outputs.jsonl",
      {best_of(SelectionStatus::trained,
               0.3,
               {{.branch = 0, .multiplicity = 4}, {.branch = 1, .multiplicity = 2}})});
  EXPECT_DOUBLE_EQ(status().money.saved_by_deduplication, 0.6);
  EXPECT_TRUE(
      says("usd: 0.1250 spent, 0.2500 reserved, 0.1250 saved by the ledger, about 0.6000 "
           "saved by deduplication"))
      << text();
  EXPECT_FALSE(says("--import"));
}

TEST_F(RunStatusTest, CallsInABatchFileWaitForTheirResults) {
  log({{"event", "run_started"}});
  for (const char* request : {"a", "b"}) {
    pay({{"type", "batched"}, {"request", request}, {"reserved_usd", 0.5}});
  }
  EXPECT_TRUE(says("2 judge calls are in a batch file: --import their results")) << text();
  pay({{"type", "result"}, {"request", "a"}, {"usd", 0.1}});
  EXPECT_TRUE(says("1 judge calls are in a batch file")) << text();
  EXPECT_EQ(status().money.reserved, 0.5);
}

TEST_F(RunStatusTest, TheNewestAuditIsShown) {
  log({{"event", "run_started"}});
  for (int64_t round = 1; round <= 2; ++round) {
    publish_file(file(round, "audit.json"),
                 fmt::format(R"({{"round": {}, "judges": [], "agreement": [], "findings": [],
                     "length_correlation": null, "chosen_minus_median_length": null}})",
                             round));
    EXPECT_TRUE(says(fmt::format("audit of round {}'s judging", round)));
  }
  EXPECT_FALSE(says("audit of round 1's"));
}

TEST_F(RunStatusTest, ModelAndJudgeTextCannotDriveTheTerminal) {
  start(1, "judge");
  log({{"event", "stage_failed"},
       {"round", 1},
       {"stage", "judge"},
       {"code", 69},
       {"reason", "the judge said \x1b[2J\x07 and left"}});
  EXPECT_TRUE(says("judge stopped: the judge said "));
  EXPECT_TRUE(says(" and left"));
  EXPECT_EQ(text().find_first_of("\x1b\x07"), std::string::npos);
}

TEST_F(RunStatusTest, DamagedFilesAreNamed) {
  const auto read = [this] { (void)status(); };
  expect_error(read, ExitCode::kMissingInput, "journal.jsonl");
  log({{"event", "run_started"}});
  read();
  const std::array<std::pair<const char*, const char*>, 5> damages = {
      {{"{", "run.json"},
       {"{}", "'config'"},
       {R"({"config": {"judge": {"kind": "openai"}}})", "'rounds'"},
       {R"({"config": {"rounds": 0, "judge": {"kind": "openai"}}})", "[1, 99]"},
       {R"({"config": {"rounds": 1, "judge": {}}})", "'kind'"}}};
  for (const auto& [json, says] : damages) {
    freeze(json);
    expect_error(read, ExitCode::kBadData, says);
  }
}

}  // namespace
}  // namespace thoughtrank
