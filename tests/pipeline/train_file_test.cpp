#include "thoughtrank/pipeline/train_file.h"

#include "pipeline/tiny_run.h"
#include "support/stderr_of.h"
#include "thoughtrank/core/lock.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

class TrainFile : public testing::Test {
 protected:
  TrainFile() : out_(run_.root() / "again"), data_(run_.root() / "rows.jsonl") {
    std::string lines;
    for (const char* completion : {"one", "two", "three"}) {
      lines += dump_json(Json{{"prompt_id", completion},
                              {"prompt", std::string("Say ") + completion},
                              {"completion", completion}}) +
               "\n";
    }
    write_plainly(data_, lines);
  }
  TrainFileResult train(const std::vector<std::string>& sets = {}) {
    return train_file(run_.config(sets), data_, out_, run_.clock, run_.stop);
  }
  [[nodiscard]] bool left_something() const {
    const TrainFileTarget target = train_file_target(out_);
    return fs::exists(target.checkpoint) || fs::exists(target.metrics) || fs::exists(target.work);
  }

  TinyRun run_;
  fs::path out_;
  fs::path data_;
};

TEST(TrainFileTarget, EverythingStandsBesideTheCheckpoint) {
  for (const char* out : {"/models/new", "/models/new/", "/models/./x/../new"}) {
    const TrainFileTarget target = train_file_target(out);
    EXPECT_EQ(target.checkpoint, "/models/new");
    EXPECT_EQ(target.metrics, "/models/new.metrics.jsonl");
    EXPECT_EQ(target.quarantine, "/models/new.quarantine.jsonl");
    EXPECT_EQ(target.work, "/models/.work-new");
  }
  EXPECT_EQ(train_file_target("new").checkpoint, fs::current_path() / "new");
}

TEST_F(TrainFile, GivesWhatARoundsTrainStageGives) {
  (void)run_.run({"rounds=1"});
  data_ = run_.folder().file(1, RoundFile::training_data);
  const TrainFileResult result = train();
  EXPECT_GT(result.steps, 0);
  EXPECT_EQ(read_file(out_ / "model.safetensors"), run_.weights(1));
  EXPECT_EQ(read_file(train_file_target(out_).metrics), run_.text(1, RoundFile::metrics));
  EXPECT_EQ(verify_folder(out_), "");
  EXPECT_FALSE(fs::exists(train_file_target(out_).work));
}

TEST_F(TrainFile, PairsTrainAsARoundsPairsDo) {
  const std::string pairs = "train.objective=dpo_nll";
  (void)run_.run({"rounds=1", pairs});
  data_ = run_.folder().file(1, RoundFile::preference_pairs);
  (void)train({pairs});
  EXPECT_EQ(read_file(out_ / "model.safetensors"), run_.weights(1));
  EXPECT_EQ(read_file(train_file_target(out_).metrics), run_.text(1, RoundFile::metrics));
}

TEST_F(TrainFile, RowsOfTextsAreEncodedByTheTemplate) {
  const TrainFileResult result = train();
  EXPECT_EQ(result.rows, 3);
  EXPECT_LT(result.loss_after, result.loss_before);
}

TEST_F(TrainFile, AFolderThatIsThereIsNotTouched) {
  fs::create_directories(out_);
  expect_error([&] { (void)train(); }, ExitCode::kConfig, "choose another --out");
  EXPECT_TRUE(fs::is_empty(out_));
}

TEST_F(TrainFile, TwoProcessesCannotTrainForOneFolder) {
  const fs::path work = train_file_target(out_).work;
  fs::create_directories(work);
  const RunLock lock(work);
  expect_error([&] { (void)train(); }, ExitCode::kLocked);
}

TEST_F(TrainFile, TheGateMeasuresTheConfigsHeldOutPrompts) {
  expect_error(
      [&] {
        (void)train({"train.max_heldout_worse=0.01", "train.learning_rate=0.2"});
      },
      ExitCode::kTrainingHealth,
      {data_.string() + ": training raised", "train.max_heldout_worse allows"});
  EXPECT_FALSE(fs::exists(out_));
  EXPECT_TRUE(fs::exists(train_file_target(out_).metrics));
  (void)train({"train.max_heldout_worse=0.5", "train.learning_rate=1e-5"});
  EXPECT_TRUE(fs::exists(out_));
}

// What the refused training left belongs to it: neither its steps are done again for another gate,
// nor does its list of skipped steps stay beside the checkpoint of a training that skipped none.
TEST_F(TrainFile, AnotherGateMeasuresTheSameTrainingAgain) {
  const std::vector<std::string> hot = {"train.learning_rate=0.2"};
  const auto with_gate = [&](const std::string& gate) {
    std::vector<std::string> sets = hot;
    sets.push_back("train.max_heldout_worse=" + gate);
    return sets;
  };
  expect_error([&] { (void)train(with_gate("0.01")); }, ExitCode::kTrainingHealth);
  const fs::path stale = train_file_target(out_).quarantine;
  publish_file(stale, "{}\n");
  const std::string said = stderr_of([&] { (void)train(with_gate("1000")); });
  EXPECT_EQ(said.find("belongs to another training"), std::string::npos) << said;
  EXPECT_TRUE(fs::exists(out_));
  EXPECT_FALSE(fs::exists(stale));
}

TEST_F(TrainFile, AGateWithoutAnswersIsSaidBeforeTraining) {
  run_.write_prompts(8, /*has_answers=*/false);
  expect_error([&] { (void)train({"train.max_heldout_worse=0.01"}); },
               ExitCode::kMissingInput,
               {"prompts.jsonl", "has none", "--set train.max_heldout_worse=null"});
  EXPECT_FALSE(left_something());
  EXPECT_NO_THROW((void)train()) << "without the gate nothing asks for answers";
}

TEST_F(TrainFile, AnInterruptedTrainingGoesOnFromItsState) {
  StopFlag stop;
  StoppingClock clock(stop, 6);
  expect_error([&] { (void)train_file(run_.config(), data_, out_, clock, stop); },
               ExitCode::kStopped);
  EXPECT_FALSE(fs::exists(out_));
  bool has_state = false;
  for (const auto& entry : fs::directory_iterator(train_file_target(out_).work)) {
    has_state = has_state || entry.path().filename().string().starts_with("state-");
  }
  EXPECT_TRUE(has_state) << "stopped too early to show anything";
  (void)train();
  const std::string resumed = read_file(out_ / "model.safetensors");
  out_ = run_.root() / "whole";
  (void)train();
  EXPECT_EQ(read_file(out_ / "model.safetensors"), resumed);
}

}  // namespace
}  // namespace thoughtrank
