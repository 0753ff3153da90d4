// What keeps a run from forgetting: rows of earlier rounds, rows of a file, a mean of weights.
#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/safetensors.h"
#include "thoughtrank/pipeline/plan.h"
#include "thoughtrank/pipeline/train_file.h"

namespace thoughtrank {
namespace {

using Sets = std::vector<std::string>;

class Keeping : public testing::Test {
 protected:
  Keeping() { write_replay("replay.jsonl"); }

  void write_replay(const std::string& name, const std::string& last = "three") const {
    std::string lines;
    for (const std::string& word : {std::string("one"), std::string("two"), last}) {
      lines += dump_json(Json{{"prompt", "Say " + word}, {"completion", word}}) + "\n";
    }
    write_plainly(run_.root() / name, lines);
  }
  [[nodiscard]] Sets replaying(const std::string& name = "replay.jsonl") const {
    return {"train.replay.path=" + (run_.root() / name).string(), "train.replay.share=0.4"};
  }
  // Of the training of a round, as its manifest has it.
  [[nodiscard]] Json training_facts(int64_t round, const TinyRun& run) const {
    return parse_json(read_file(run.folder().checkpoint(round) / "MANIFEST.json"), "")["training"];
  }
  [[nodiscard]] int64_t rows_of(int64_t round, const TinyRun& run) const {
    return training_facts(round, run)["rows"].get<int64_t>();
  }
  [[nodiscard]] static int64_t own_rows(int64_t round, const TinyRun& run) {
    const auto file = run.folder().file(round, RoundFile::training_data);
    return std::ssize(read_rows<TrainingRow>(file));
  }

  // Stops the run again and again, each time a little later; the weights at the end.
  std::vector<std::string> weights_of_stopped_run(const Sets& sets) {
    TinyRun run;
    int64_t stops = 0;
    for (int64_t looks = 5; stops < 80; looks += 11) {
      StopFlag stop;
      StoppingClock clock(stop, looks);
      try {
        (void)run_rounds(run.config(sets), clock, stop);
        if (!stop.is_set()) break;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::kStopped) << error.what();
      }
      ++stops;
    }
    EXPECT_GE(stops, 3);
    EXPECT_FALSE(run.run(sets)) << "was not finished";
    return {run.weights(1), run.weights(2), run.text(2, RoundFile::metrics)};
  }

  TinyRun run_;
};

TEST_F(Keeping, ReplayedRowsAreTrainedOnBesideTheRoundsOwn) {
  (void)run_.run(replaying());
  for (const int64_t round : {1, 2}) EXPECT_GT(rows_of(round, run_), own_rows(round, run_));
  TinyRun without;
  (void)without.run();
  EXPECT_EQ(rows_of(1, without), own_rows(1, without));
  EXPECT_EQ(run_.text(1, RoundFile::training_data), without.text(1, RoundFile::training_data));
  EXPECT_NE(run_.weights(1), without.weights(1));
}

TEST_F(Keeping, AFileOfRowsIsTrainedAsTheRoundWas) {
  Sets sets = replaying();
  sets.insert(sets.end(), {"rounds=1", "train.anchor.ema=0.25"});
  (void)run_.run(sets);
  (void)train_file(run_.config(sets),
                   run_.folder().file(1, RoundFile::training_data),
                   run_.root() / "again",
                   run_.clock,
                   run_.stop);
  EXPECT_EQ(read_file(run_.root() / "again" / "model.safetensors"), run_.weights(1));
}

TEST_F(Keeping, AStoppedRunEndsWithTheBytesOfAnUndisturbedOne) {
  Sets sets = replaying();
  sets.insert(sets.end(), {"train.anchor.ema=0.25", "train.rows=all"});
  (void)run_.run(sets);
  const std::vector<std::string> undisturbed = {
      run_.weights(1), run_.weights(2), run_.text(2, RoundFile::metrics)};
  EXPECT_EQ(weights_of_stopped_run(sets), undisturbed);
}

TEST_F(Keeping, WhatCannotBeReplayedIsSaidBeforeAnyWork) {
  const auto refused = [&](ExitCode code, const MessageParts& parts) {
    expect_error([&] { (void)run_.run(replaying()); }, code, parts);
    expect_error([&] { (void)make_plan(run_.config(replaying()), false, run_.clock, run_.stop); },
                 code,
                 parts);
    EXPECT_FALSE(fs::exists(run_.folder().root()));
  };
  const fs::path file = run_.root() / "replay.jsonl";
  write_plainly(file, "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"conversations\":[]}\n");
  refused(ExitCode::kBadData, {"replay.jsonl:2", "ShareGPT"});
  write_plainly(file,
                dump_json(Json{{"prompt", "a"}, {"completion", std::string(9000, 'x')}}) + "\n");
  refused(ExitCode::kBadData, {"replay.jsonl:1", "tokens"});
  fs::remove(file);
  refused(ExitCode::kMissingInput, "replay.jsonl");
  expect_error(
      [&] {
        (void)run_.config({"train.replay.path=x", "train.objective=dpo_nll"});
      },
      ExitCode::kConfig,
      "train.replay.path");
}

TEST_F(Keeping, TheReplayedRowsBelongToTheRunAndTheirPathDoesNot) {
  (void)run_.run(replaying());
  fs::rename(run_.root() / "replay.jsonl", run_.root() / "moved.jsonl");
  EXPECT_FALSE(run_.run(replaying("moved.jsonl")));
  expect_error([&] { (void)run_.run(); }, ExitCode::kConfig, "sha256.replay");
  write_replay("moved.jsonl", "four");
  expect_error(
      [&] { (void)run_.run(replaying("moved.jsonl")); }, ExitCode::kConfig, "sha256.replay");
}

TEST_F(Keeping, RowsOfAllRoundsGoWithEitherStart) {
  const auto rows_with = [&](const Sets& sets) {
    TinyRun run;
    (void)run.run(sets);
    const int64_t all = own_rows(1, run) + own_rows(2, run);
    EXPECT_GT(all, own_rows(2, run));
    return std::pair{rows_of(2, run) == all, run.weights(2)};
  };
  const auto base = rows_with({"train.start_from=base"});
  EXPECT_TRUE(base.first) << "as before there was train.rows";
  EXPECT_EQ(rows_with({"train.start_from=base", "train.rows=all"}), base);
  EXPECT_FALSE(rows_with({"train.start_from=base", "train.rows=round"}).first);
  EXPECT_TRUE(rows_with({"train.rows=all"}).first);
  const auto previous = rows_with({});
  EXPECT_FALSE(previous.first);
  EXPECT_EQ(rows_with({"train.rows=round"}), previous);
}

at::Tensor weight_of(const fs::path& folder, const std::string& name) {
  return SafetensorsReader::open_file(folder / "model.safetensors").read(name);
}

TEST_F(Keeping, AnAnchoredRoundPublishesTheMean) {
  const Sets exact = {"checkpoint.dtype=float32", "rounds=1"};
  Sets anchored = exact;
  anchored.emplace_back("train.anchor.ema=0.25");
  TinyRun free;
  (void)free.run(exact);
  (void)run_.run(anchored);
  EXPECT_EQ(run_.text(1, RoundFile::metrics), free.text(1, RoundFile::metrics));
  EXPECT_EQ(training_facts(1, run_)["loss_after"], training_facts(1, free)["loss_after"]);
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  const at::Tensor start = weight_of(kTinyModel, name).to(at::kFloat),
                   trained = weight_of(free.folder().checkpoint(1), name),
                   published = weight_of(run_.folder().checkpoint(1), name);
  EXPECT_FALSE(at::equal(start, trained));
  EXPECT_TRUE(at::allclose(published, 0.25 * start + 0.75 * trained, 1e-6, 1e-8));
  expect_error(
      [&] {
        (void)run_.config({"train.anchor.ema=0.5", "train.method=lora"});
      },
      ExitCode::kConfig,
      "train.anchor.ema");
}

}  // namespace
}  // namespace thoughtrank
