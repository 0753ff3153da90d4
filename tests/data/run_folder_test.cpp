#include "thoughtrank/data/run_folder.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

namespace thoughtrank {
namespace {

TEST(RunFolder, NamesEveryFileOfARoundOnce) {
  std::set<std::string> names;
  for (const RoundFileEntry& entry : kRoundFiles) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_STREQ(file_name(entry.file), entry.name);
  }
}

// Journals of older runs hold these names in this order, without those that came since: thoughts
// and summary.
TEST(RunFolder, TheFilesOfAStageAreWhatTheJournalSays) {
  std::map<Stage, std::vector<std::string>> by_stage;
  for (const RoundFileEntry& entry : kRoundFiles) {
    if (entry.stage) by_stage[*entry.stage].emplace_back(entry.name);
  }
  const std::map<Stage, std::vector<std::string>> expected = {
      {Stage::generate, {"prompts.jsonl", "outputs.jsonl"}},
      {Stage::judge,
       {"verdicts.jsonl",
        "audit.json",
        "thoughts.jsonl",
        "summary.json",
        "preference_pairs.jsonl",
        "training_data.jsonl",
        "best_outputs.jsonl"}},
      {Stage::train, {"metrics.jsonl"}},
      {Stage::evaluate, {"eval.jsonl"}}};
  EXPECT_EQ(by_stage, expected);
}

TEST(RunFolder, PathsOfARun) {
  const RunFolder folder("runs/first");
  EXPECT_EQ(folder.journal(), "runs/first/journal.jsonl");
  EXPECT_EQ(folder.ledger(), "runs/first/ledger.jsonl");
  EXPECT_EQ(folder.frozen(), "runs/first/run.json");
  EXPECT_EQ(folder.file(3, RoundFile::quarantine), "runs/first/round-03/quarantine.jsonl");
  EXPECT_EQ(folder.file(12, RoundFile::timing), "runs/first/round-12/timing.jsonl");
  EXPECT_EQ(folder.checkpoint(1), "runs/first/round-01/checkpoint");
  EXPECT_EQ(folder.branches(1), "runs/first/round-01/.work/branches.jsonl");
  EXPECT_EQ(folder.thoughts(2), "runs/first/round-02/.work/thoughts.jsonl");
  EXPECT_EQ(folder.heldout(0), "runs/first/round-00/.work/heldout.jsonl");
  EXPECT_EQ(folder.training(1), "runs/first/round-01/.work/train");
}

}  // namespace
}  // namespace thoughtrank
