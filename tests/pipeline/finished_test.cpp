#include "pipeline/finished.h"

#include "pipeline/tiny_run.h"

namespace thoughtrank {
namespace {

// Round 1 of a run, finished.
class Finished : public testing::Test {
 protected:
  Finished() { (void)run_.run({"rounds=1"}); }

  [[nodiscard]] bool is_finished_now(Stage stage, int64_t round = 1) {
    const auto session = run_.open({"rounds=1"});
    return is_finished(*session, round, stage);
  }
  static std::string damaged(std::string bytes) {
    bytes.back() ^= 1;
    return bytes;
  }
  [[nodiscard]] fs::path weights() const {
    return run_.folder().checkpoint(1) / "model.safetensors";
  }

  TinyRun run_;
};

TEST_F(Finished, EveryStageOfAFinishedRoundIs) {
  for (const Stage stage : kStages) EXPECT_TRUE(is_finished_now(stage)) << stage_name(stage);
  EXPECT_TRUE(is_finished_now(Stage::evaluate, 0));
  EXPECT_FALSE(is_finished_now(Stage::generate, 2));
}

TEST_F(Finished, AChangedOrMissingFileIsNamed) {
  const fs::path file = run_.folder().file(1, RoundFile::verdicts);
  write_plainly(file, read_file(file) + "\n");
  expect_error([&] { (void)is_finished_now(Stage::judge); },
               ExitCode::kBadData,
               {"verdicts.jsonl", "not the file that was published"});
  fs::remove(file);
  expect_error([&] { (void)is_finished_now(Stage::judge); },
               ExitCode::kBadData,
               {"verdicts.jsonl", "is missing"});
  EXPECT_TRUE(is_finished_now(Stage::generate));
}

TEST_F(Finished, FilesWithoutADigestMayChange) {
  write_plainly(run_.folder().file(1, RoundFile::timing), "");
  for (const Stage stage : kStages) EXPECT_TRUE(is_finished_now(stage));
}

TEST_F(Finished, ADamagedCheckpointThatIsNeededIsMovedAsideAndMadeAgain) {
  const std::string good = read_file(weights());
  write_plainly(weights(), damaged(good));
  EXPECT_FALSE(is_finished_now(Stage::train));
  EXPECT_TRUE(run_.run({"rounds=2"}));
  EXPECT_EQ(read_file(weights()), good);
  const fs::path aside = run_.folder().round(1) / ".corrupt-2026-01-31T12:00:00Z";
  EXPECT_EQ(read_file(aside / "model.safetensors"), damaged(good));
}

TEST_F(Finished, AFinishedRunTrainsAgainOnlyWhenItIsAsked) {
  const std::string good = read_file(weights());
  const auto expect_refusal = [&](const char* part) {
    expect_error(
        [&] { (void)run_.run({"rounds=1"}); }, ExitCode::kBadData, {part, "train --round 1"});
  };
  write_plainly(weights(), damaged(good));
  expect_refusal("model.safetensors has SHA-256");
  EXPECT_EQ(read_file(weights()), damaged(good));
  run_.run_stage(Stage::train, 1, {"rounds=1"});
  EXPECT_EQ(read_file(weights()), good);
  fs::remove_all(run_.folder().checkpoint(1));
  expect_refusal("checkpoint is gone");
  run_.run_stage(Stage::train, 1, {"rounds=1"});
  EXPECT_EQ(read_file(weights()), good);
  EXPECT_FALSE(run_.run({"rounds=1"}));
}

TEST_F(Finished, FilesOfOthersInACheckpointAreLeftAlone) {
  const fs::path checkpoint = run_.folder().checkpoint(1);
  const std::string good = read_file(weights());
  write_plainly(checkpoint / "Tiny-F16.gguf", "GGUF");
  fs::create_directories(checkpoint / ".cache" / "huggingface");
  write_plainly(checkpoint / ".cache" / "huggingface" / "x.lock", "");
  write_plainly(checkpoint / "README.md", "edited");
  fs::rename(checkpoint / "tokenizer.json", run_.root() / "moved.json");
  fs::create_symlink(run_.root() / "moved.json", checkpoint / "tokenizer.json");
  EXPECT_FALSE(run_.run({"rounds=1"}));
  fs::remove(checkpoint / "README.md");
  EXPECT_TRUE(run_.run({"rounds=2"})) << "round 2 stands on it";
  int64_t trained = 0;
  for (const Json& record : run_.journal_of("stage_finished")) {
    if (record["stage"] == "train" && record["round"] == 1) ++trained;
  }
  EXPECT_EQ(trained, 1);
  EXPECT_EQ(read_file(weights()), good);
  EXPECT_EQ(read_file(checkpoint / "Tiny-F16.gguf"), "GGUF");
  EXPECT_TRUE(fs::exists(checkpoint / ".cache" / "huggingface" / "x.lock"));
}

TEST_F(Finished, NothingReadsTheWeightsOfARoundThatIsBehind) {
  (void)run_.run({"rounds=2"});
  fs::remove(weights());
  const auto session = run_.open();
  EXPECT_TRUE(is_finished(*session, 1, Stage::train));
  EXPECT_FALSE(has_good_checkpoint(*session, 1));
}

TEST_F(Finished, NoCheckpointIsNoGoodOne) {
  const auto session = run_.open({"rounds=1"});
  EXPECT_TRUE(has_good_checkpoint(*session, 1));
  EXPECT_FALSE(has_good_checkpoint(*session, 2));
}

}  // namespace
}  // namespace thoughtrank
