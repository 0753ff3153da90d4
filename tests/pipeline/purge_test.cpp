#include "pipeline/purge.h"

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/run_log.h"

namespace thoughtrank {
namespace {

const std::vector<std::string> kShort = {"prompts.per_round=1", "prompts.holdout=1", "rounds=3"};

std::vector<std::string> with(std::vector<std::string> sets, const std::string& set) {
  sets.push_back(set);
  return sets;
}

bool has_weights(const TinyRun& run, int64_t round) {
  return fs::exists(run.folder().checkpoint(round) / "model.safetensors");
}

TEST(Purge, OnlyTheNewestKeepTheirWeights) {
  TinyRun run;
  (void)run.run(kShort);  // checkpoint.keep: 2
  EXPECT_FALSE(has_weights(run, 1));
  EXPECT_TRUE(has_weights(run, 2));
  EXPECT_TRUE(has_weights(run, 3));
  for (const char* kept : {"config.json", "tokenizer.json", "MANIFEST.json"}) {
    EXPECT_TRUE(fs::exists(run.folder().checkpoint(1) / kept)) << kept;
  }
  const auto purged = run.journal_of("checkpoint_purged");
  ASSERT_EQ(purged.size(), 1u);
  EXPECT_EQ(purged[0]["round"], 1);
  EXPECT_FALSE(run.run(kShort)) << "a purged checkpoint is no reason to train again";
}

TEST(Purge, AKilledPurgeIsFinishedByTheNextStart) {
  TinyRun run;
  (void)run.run(kShort);
  write_plainly(run.folder().checkpoint(1) / "model.safetensors", "left by a kill");
  EXPECT_FALSE(run.run(kShort));
  EXPECT_FALSE(has_weights(run, 1));
  EXPECT_EQ(run.journal_of("checkpoint_purged").size(), 1u);
}

TEST(Purge, WeightsWithoutAManifestAndThoseOfOthersStay) {
  TinyRun run;
  (void)run.run(kShort);
  const fs::path checkpoint = run.folder().checkpoint(1);
  write_plainly(checkpoint / "merged.safetensors", "mine");
  write_plainly(checkpoint / "model.safetensors", "left by a kill");
  EXPECT_FALSE(run.run(kShort));
  EXPECT_TRUE(fs::exists(checkpoint / "merged.safetensors"));
  EXPECT_FALSE(has_weights(run, 1));
  fs::remove(checkpoint / "MANIFEST.json");
  EXPECT_FALSE(run.run(kShort)) << "nothing reads that round any more";
  EXPECT_TRUE(fs::exists(checkpoint / "merged.safetensors"));
}

TEST(Purge, NothingGoesWhileANewerCheckpointIsDamaged) {
  TinyRun run;
  const auto keep_all = with(kShort, "checkpoint.keep=9");
  (void)run.run(keep_all);
  EXPECT_TRUE(has_weights(run, 1));
  write_plainly(run.folder().checkpoint(3) / "model.safetensors", "damaged");
  const auto session = run.open(kShort);
  purge_checkpoints(*session, 3);
  EXPECT_TRUE(has_weights(run, 1));
  EXPECT_TRUE(run.journal_of("checkpoint_purged").empty());
}

TEST(Purge, ARoundThatWasNotEvaluatedKeepsItsWeights) {
  TinyRun run;
  for (int64_t round = 1; round <= 3; ++round) {
    for (const Stage stage : {Stage::generate, Stage::judge, Stage::train}) {
      run.run_stage(stage, round, kShort);
    }
  }
  EXPECT_TRUE(has_weights(run, 1));
  (void)run.run(kShort);  // evaluates what the stages left out
  EXPECT_FALSE(has_weights(run, 1));
}

TEST(Purge, ALargerKeepTakesEffectOnResume) {
  TinyRun run;
  (void)run.run(with(kShort, "checkpoint.keep=3"));
  EXPECT_TRUE(has_weights(run, 1));
  EXPECT_FALSE(run.run(with(kShort, "checkpoint.keep=2")));
  EXPECT_FALSE(has_weights(run, 1));
}

}  // namespace
}  // namespace thoughtrank
