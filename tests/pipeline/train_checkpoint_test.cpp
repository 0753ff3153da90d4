#include "pipeline/train_checkpoint.h"

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/train/rows.h"

namespace thoughtrank {
namespace {

class TrainCheckpoint : public testing::Test {
 protected:
  TrainCheckpoint()
      : compute_(resolve_compute(run_.config())), texts_(load_model_texts(kTinyModel, "auto")) {
    use_compute(compute_);
  }

  [[nodiscard]] TrainingRow row(const std::string& id, const std::string& completion) const {
    const TrainingRow texts = {.prompt_id = id, .prompt = "Say it.", .completion = completion};
    return encode_training_row({.row = texts}, texts_.chat_template, *texts_.tokenizer);
  }

  // `name`: of the folder that all it leaves goes into.
  TrainResult train_as(const std::string& name,
                       const RunConfig& config,
                       const std::vector<TrainingRow>& rows,
                       const std::optional<HeldoutGate>& gate = {}) {
    const fs::path folder = run_.root() / name;
    fs::create_directories(folder);
    return train_checkpoint({.config = config,
                             .compute = compute_,
                             .texts = texts_,
                             .label = name,
                             .round = 1,
                             .rows = rows,
                             .pairs = {},
                             .rows_sha256 = "rows",
                             .start = kTinyModel,
                             .gate = gate,
                             .work = folder / "work",
                             .metrics = folder / "metrics.jsonl",
                             .quarantine = folder / "quarantine.jsonl",
                             .target = folder / "checkpoint",
                             .card = {{"base_model", "tiny-llama"}},
                             .clock = run_.clock,
                             .stop = run_.stop});
  }
  [[nodiscard]] std::string weights(const std::string& name) const {
    return read_file(run_.root() / name / "checkpoint" / "model.safetensors");
  }
  [[nodiscard]] HeldoutGate gate(double max_worse) const {
    PromptRow prompt;
    prompt.prompt_id = "held out";
    prompt.prompt = "What is one more than one?";
    prompt.token_ids = texts_.prompt_ids(prompt);
    return {.rows = heldout_rows(texts_, {prompt}, {"two"}),
            .max_worse = max_worse,
            .subject = "rows",
            .advice = "look at them"};
  }

  TinyRun run_;
  ComputeSetup compute_;
  ModelTexts texts_;
};

TEST_F(TrainCheckpoint, LeavesMetricsAndACheckpointThatVerifies) {
  const auto result = train_as("a", run_.config(), {row("x", "one"), row("y", "two")});
  EXPECT_EQ(result.rows, 2);
  EXPECT_EQ(result.steps, 4);  // two epochs, a row each
  EXPECT_LT(result.loss_after, result.loss_before);
  const fs::path folder = run_.root() / "a";
  EXPECT_EQ(read_rows<MetricsRow>(folder / "metrics.jsonl").size(), 4u);
  EXPECT_FALSE(fs::exists(folder / "quarantine.jsonl")) << "no step was skipped";
  EXPECT_EQ(verify_folder(folder / "checkpoint"), "");
}

TEST_F(TrainCheckpoint, TheManifestHoldsWhatTheTrainingDid) {
  const auto result = train_as("a", run_.config(), {row("x", "one")});
  const fs::path manifest = run_.root() / "a" / "checkpoint" / "MANIFEST.json";
  const Json facts = parse_json(read_file(manifest), "manifest").at("training");
  EXPECT_EQ(facts["rows"], 1);
  EXPECT_EQ(facts["steps"], result.steps);
  EXPECT_EQ(facts["tokens"], result.tokens);
  EXPECT_EQ(facts["loss_after"], result.loss_after);
  EXPECT_EQ(facts["weights_sha256_before"], weights_sha256(kTinyModel));
}

TEST_F(TrainCheckpoint, AnInterruptedTrainingEndsWithTheSameBytes) {
  const std::vector<TrainingRow> rows = {row("x", "one"), row("y", "two"), row("z", "three")};
  (void)train_as("whole", run_.config(), rows);
  run_.stop.request(SIGTERM);
  expect_error([&] { (void)train_as("parts", run_.config(), rows); }, ExitCode::kStopped);
  EXPECT_FALSE(fs::exists(run_.root() / "parts" / "checkpoint"));
  run_.stop.request(0);
  (void)train_as("parts", run_.config(), rows);
  EXPECT_EQ(weights("parts"), weights("whole"));
  EXPECT_EQ(read_file(run_.root() / "parts" / "metrics.jsonl"),
            read_file(run_.root() / "whole" / "metrics.jsonl"));
}

TEST_F(TrainCheckpoint, AStateOfOtherOptionsIsNotResumed) {
  const std::vector<TrainingRow> rows = {row("x", "one"), row("y", "two")};
  const RunConfig hot = run_.config({"train.learning_rate=0.2"});
  expect_error([&] { (void)train_as("a", hot, rows, gate(0.01)); }, ExitCode::kTrainingHealth);
  EXPECT_TRUE(fs::exists(run_.root() / "a" / "work"));
  (void)train_as("a", run_.config(), rows);
  (void)train_as("fresh", run_.config(), rows);
  EXPECT_EQ(weights("a"), weights("fresh"));
}

TEST_F(TrainCheckpoint, TheGateRefusesAfterTheMetricsAreWritten) {
  const RunConfig hot = run_.config({"train.learning_rate=0.2"});
  expect_error([&] { (void)train_as("a", hot, {row("x", "one")}, gate(0.01)); },
               ExitCode::kTrainingHealth,
               {"rows: training raised the held-out loss", "No checkpoint is made; look at them"});
  EXPECT_TRUE(fs::exists(run_.root() / "a" / "metrics.jsonl"));
  EXPECT_FALSE(fs::exists(run_.root() / "a" / "checkpoint"));
  EXPECT_NO_THROW((void)train_as("b", run_.config(), {row("x", "one")}, gate(10)));
}

TEST_F(TrainCheckpoint, SkippedStepsAreKept) {
  std::vector<TrainingRow> rows(24, row("plain", "a a a a"));
  rows.push_back(row("other", "Q7#xz!KWv"));
  rows.push_back(row("plain", "a a a a"));
  const RunConfig spiky = run_.config({"train.spike_sigmas=0.5",
                                       "train.shuffle=false",
                                       "train.epochs=1",
                                       "train.learning_rate=3e-3"});
  (void)train_as("a", spiky, rows);
  const std::string noted = read_file(run_.root() / "a" / "quarantine.jsonl");
  const Json skipped = parse_json(noted.substr(0, noted.find('\n')), "quarantine");
  EXPECT_EQ(skipped["step"], 25);
  EXPECT_EQ(skipped["prompt_ids"], Json::array({"other"}));
  const auto metrics = read_rows<MetricsRow>(run_.root() / "a" / "metrics.jsonl");
  ASSERT_EQ(metrics.size(), 26u);
  EXPECT_TRUE(metrics[24].skipped);
  EXPECT_FALSE(metrics[25].skipped);
}

TEST_F(TrainCheckpoint, WithoutRoomNothingBegins) {
  const RunConfig config = run_.config();
  expect_error(
      [&] {
        (void)train_checkpoint({.config = config,
                                .compute = compute_,
                                .texts = texts_,
                                .label = "a",
                                .rows = {row("x", "one")},
                                .start = kTinyModel,
                                .work = run_.root() / "work",
                                .metrics = run_.root() / "metrics.jsonl",
                                .quarantine = run_.root() / "quarantine.jsonl",
                                .target = "/proc/self/checkpoint",  // a disk of no bytes
                                .card = Json::object(),
                                .clock = run_.clock,
                                .stop = run_.stop});
      },
      ExitCode::kIo,
      "are needed on this disk");
  EXPECT_FALSE(fs::exists(run_.root() / "work"));
}

}  // namespace
}  // namespace thoughtrank
