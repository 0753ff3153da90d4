// What follows from a run's journal and from its ledger.
#include "thoughtrank/data/run_log.h"

#include <gtest/gtest.h>

#include "data/data_room.h"
#include "thoughtrank/data/ledger_accounts.h"

namespace thoughtrank {
namespace {

Json stage_event(const char* event, int64_t round, const char* stage) {
  return {{"event", event}, {"round", round}, {"stage", stage}};
}

class RunLogTest : public FileTest {
 protected:
  [[nodiscard]] std::filesystem::path journal() const { return folder_ / "journal.jsonl"; }
};

TEST_F(RunLogTest, AStageIsStartedThenFailedOrFinished) {
  RunLog log(journal());
  EXPECT_FALSE(log.has_started(1, Stage::judge));
  log.append(stage_event("stage_started", 1, "judge"));
  EXPECT_TRUE(log.has_started(1, Stage::judge));
  EXPECT_FALSE(log.has_started(1, Stage::train));
  EXPECT_FALSE(log.has_started(2, Stage::judge));
  log.append(stage_event("stage_failed", 1, "judge"));
  EXPECT_NE(log.failed(1, Stage::judge), nullptr);
  log.append(stage_event("stage_started", 1, "judge"));
  EXPECT_EQ(log.failed(1, Stage::judge), nullptr);  // it is tried again
  EXPECT_EQ(log.finished(1, Stage::judge), nullptr);
  log.append(stage_event("stage_finished", 1, "judge"));
  EXPECT_NE(log.finished(1, Stage::judge), nullptr);
}

TEST_F(RunLogTest, TheLastRecordCounts) {
  RunLog log(journal());
  for (int64_t seconds = 1; seconds <= 3; ++seconds) {
    Json record = stage_event("stage_finished", 2, "train");
    record["seconds"] = seconds;
    log.append(record);
  }
  EXPECT_EQ(log.finished(2, Stage::train)->at("seconds"), 3);
}

TEST_F(RunLogTest, WhatIsReadAgainSaysTheSame) {
  {
    RunLog log(journal());
    log.append(stage_event("stage_started", 0, "evaluate"));
    log.append(stage_event("stage_finished", 0, "evaluate"));
    log.append(stage_event("stage_started", 1, "generate"));
    log.append({{"event", "checkpoint_purged"}, {"round", 7}});
    log.append({{"event", "something new"}});  // of a later version: passed over
  }
  const RunLog read = RunLog::read_only(journal()), reopened(journal());
  for (const RunLog* log : {&read, &reopened}) {
    EXPECT_NE(log->finished(0, Stage::evaluate), nullptr);
    EXPECT_TRUE(log->has_started(1, Stage::generate));
    EXPECT_EQ(log->finished(1, Stage::generate), nullptr);
    EXPECT_TRUE(log->is_purged(7));
    EXPECT_FALSE(log->is_purged(1));
  }
}

TEST_F(RunLogTest, RecordsThatMakeNoSenseAreBadData) {
  RunLog log(journal());
  expect_bad_data([&] { log.append({{"round", 1}}); }, "'event'");
  expect_bad_data([&] { log.append(stage_event("stage_started", 100, "judge")); }, "[0, 99]");
  expect_bad_data([&] { log.append(stage_event("stage_started", 1, "jury")); },
                  "'jury' is not a stage");
}

TEST(Stages, NamesAndValuesAreOneToOne) {
  for (const Stage stage : kStages) EXPECT_EQ(stage_named(stage_name(stage)), stage);
  expect_bad_data([] { (void)stage_named("Judge"); }, "generate, judge, train or evaluate");
}

Json money(const char* type, const char* request, const char* key, double usd) {
  return {{"type", type}, {"request", request}, {key, usd}};
}

LedgerAccounts accounts_of(const std::vector<Json>& records) {
  LedgerAccounts accounts;
  for (const Json& record : records) accounts.take(record, "ledger.jsonl");
  return accounts;
}

TEST(LedgerAccounts, AnIntentIsReservedUntilItsResultSaysThePrice) {
  LedgerAccounts accounts = accounts_of(
      {money("intent", "a", "reserved_usd", 0.5), money("intent", "b", "reserved_usd", 0.25)});
  EXPECT_EQ(accounts.reserved_usd(), 0.75);
  EXPECT_EQ(accounts.spent_usd(), 0);
  accounts.take(money("result", "a", "usd", 0.125), "x");
  EXPECT_EQ(accounts.reserved_usd(), 0.25);
  EXPECT_EQ(accounts.spent_usd(), 0.125);
  accounts.take(money("failed", "b", "usd", 0), "x");
  EXPECT_EQ(accounts.reserved_usd(), 0);
  EXPECT_EQ(accounts.spent_usd(), 0.125);
}

TEST(LedgerAccounts, WhatWasOnItsWayAtADeathCountsAsSpent) {
  LedgerAccounts accounts = accounts_of(
      {money("intent", "a", "reserved_usd", 0.5), money("batched", "b", "reserved_usd", 0.25)});
  accounts.charge_open();
  EXPECT_EQ(accounts.spent_usd(), 0.5);
  EXPECT_EQ(accounts.reserved_usd(), 0.25);  // a batch file outlives the process
  accounts.charge_open();
  EXPECT_EQ(accounts.spent_usd(), 0.5);
  // The same request asked a second time: the first one was on its way, too.
  const LedgerAccounts twice = accounts_of({money("intent", "a", "reserved_usd", 0.5),
                                            money("intent", "a", "reserved_usd", 0.25),
                                            money("result", "a", "usd", 0.125)});
  EXPECT_EQ(twice.spent_usd(), 0.625);
  EXPECT_EQ(twice.reserved_usd(), 0);
}

TEST(LedgerAccounts, ABatchThatWasGivenUpIsSpentAsReservedUntilItsResultComes) {
  LedgerAccounts accounts = accounts_of({money("batched", "a", "reserved_usd", 0.5)});
  EXPECT_EQ(accounts.waiting_calls(), 1);
  accounts.take(money("discarded", "a", "usd", 0.5), "x");
  EXPECT_EQ(accounts.waiting_calls(), 0);
  EXPECT_EQ(accounts.spent_usd(), 0.5);
  accounts.take(money("result", "a", "usd", 0.125), "x");
  EXPECT_EQ(accounts.spent_usd(), 0.125);
  accounts.take(money("result", "a", "usd", 0.125), "x");  // paid for once more
  EXPECT_EQ(accounts.spent_usd(), 0.25);
}

// As versions wrote it that did not number the calls: a call that a kill left open, then a file.
TEST(LedgerAccounts, ABatchOfAnEarlierVersionEndsWithItsResult) {
  LedgerAccounts accounts = accounts_of({money("intent", "a", "reserved_usd", 0.5),
                                         money("batched", "a", "reserved_usd", 0.5),
                                         money("result", "a", "usd", 0.125)});
  EXPECT_EQ(accounts.waiting_calls(), 0);
  accounts.charge_open();
  EXPECT_EQ(accounts.reserved_usd(), 0);
  EXPECT_EQ(accounts.spent_usd(), 0.625);
}

TEST(LedgerAccounts, OtherRecordsMoveNoMoneyAndUnknownOnesAreBadData) {
  LedgerAccounts accounts = accounts_of({{{"type", "note"}}, {{"type", "void"}}});
  EXPECT_EQ(accounts.spent_usd() + accounts.reserved_usd() + accounts.saved_usd(), 0);
  accounts.take(money("reused", "a", "usd", 0.25), "x");
  EXPECT_EQ(accounts.saved_usd(), 0.25);
  EXPECT_EQ(accounts.spent_usd(), 0);
  expect_bad_data([&] { accounts.take(money("gift", "a", "usd", 1), "ledger.jsonl"); },
                  {"ledger.jsonl", "unknown record type 'gift'"});
  expect_bad_data(
      [&] {
        accounts.take({{"type", "intent"}, {"request", "a"}}, "x");
      },
      "'reserved_usd'");
}

TEST_F(RunLogTest, ALedgerThatIsNotThereIsEmpty) {
  EXPECT_EQ(read_ledger_accounts(folder_ / "none.jsonl").spent_usd(), 0);
}

}  // namespace
}  // namespace thoughtrank
