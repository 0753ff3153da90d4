// Stopping, resuming, and steps that are not finite.
#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <thread>

#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"
#include "train/training_room.h"

namespace thoughtrank {
namespace {

constexpr int64_t kRows = 6;

// What a training leaves: weights, and all that it reports.
struct Outcome {
  Llama model;
  std::string report;
};

Outcome finish(TestTraining& training, at::ScalarType dtype) {
  Outcome outcome = {.model = load_tiny(dtype), .report = ""};
  const TrainResult result = training.run(outcome.model, random_rows(kRows));
  outcome.report = fmt::format("{} {} {} {} {}\n",
                               result.rows,
                               result.steps,
                               result.tokens,
                               result.loss_before,
                               result.loss_after);
  for (const MetricsRow& row : result.metrics) outcome.report += dump_json(to_json(row)) + "\n";
  return outcome;
}

fs::path state_folder(const fs::path& work, int64_t step) {
  return work / fmt::format("state-{:08}", step);
}

void configure(TestTraining& training) {
  training.options.tokens_per_step = 1;  // a step per row
  training.options.state_every = 1;
  training.options.schedule = Schedule::cosine;
}

struct Tier {
  at::ScalarType dtype;
  std::optional<OptimizerState> optimizer_state;
};

// Runs until the state of `step` is there, then asks to stop as a signal would.
ExitCode stop_after(const fs::path& work, int64_t step, const Tier& tier) {
  TestTraining training(work);
  configure(training);
  training.options.optimizer_state = tier.optimizer_state;
  std::atomic<bool> is_over = false;
  std::thread watcher([&] {
    while (!is_over && !fs::exists(state_folder(work, step))) std::this_thread::yield();
    training.stop.request(SIGTERM);
  });
  const ExitCode code = exit_code_of([&] { (void)finish(training, tier.dtype); });
  is_over = true;
  watcher.join();
  return code;
}

class Resume : public testing::TestWithParam<Tier> {};

TEST_P(Resume, AfterAnyStepGivesTheBytesOfAnUninterruptedRun) {
  const TemporaryFolder whole;
  TestTraining undisturbed(whole.path());
  configure(undisturbed);
  undisturbed.options.optimizer_state = GetParam().optimizer_state;
  const Outcome expected = finish(undisturbed, GetParam().dtype);
  int stopped = 0;
  for (int64_t step = 1; step < kRows; ++step) {
    const TemporaryFolder work;
    stopped += stop_after(work.path(), step, GetParam()) == ExitCode::kStopped;
    TestTraining resumed(work.path());
    configure(resumed);
    resumed.options.optimizer_state = GetParam().optimizer_state;
    const Outcome outcome = finish(resumed, GetParam().dtype);
    EXPECT_TRUE(same_weights(outcome.model, expected.model)) << "stopped after step " << step;
    EXPECT_EQ(outcome.report, expected.report) << "stopped after step " << step;
  }
  EXPECT_GT(stopped, 0);
}

INSTANTIATE_TEST_SUITE_P(Tiers,
                         Resume,
                         testing::Values(Tier{at::kFloat, std::nullopt},
                                         Tier{at::kBFloat16, OptimizerState::float32_master},
                                         Tier{at::kBFloat16, OptimizerState::float32},
                                         Tier{at::kBFloat16, OptimizerState::bfloat16},
                                         Tier{at::kFloat, OptimizerState::int8},
                                         Tier{at::kBFloat16, OptimizerState::int8}));

class States : public testing::Test {
 protected:
  States() : training(work.path()) {
    configure(training);
    training.options.state_every = 4;
    expected = finish(training, at::kFloat);  // leaves the state of step 4
  }
  const TemporaryFolder work;
  TestTraining training;
  Outcome expected;
};

TEST_F(States, OnlyTheNewestIsKeptAndItIsUsed) {
  training.options.state_every = 2;
  const Outcome again = finish(training, at::kFloat);
  EXPECT_EQ(again.report, expected.report);
  EXPECT_TRUE(fs::exists(state_folder(work.path(), 4)));
  EXPECT_FALSE(fs::exists(state_folder(work.path(), 2)));
}

TEST_F(States, DamagedOneIsRemovedAndTheTrainingBeginsAnew) {
  const fs::path file = state_folder(work.path(), 4) / "arena.safetensors";
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(5000).put('x').put('y');
  ASSERT_NE(verify_folder(state_folder(work.path(), 4)), "");
  training.options.state_every = 100;
  const Outcome again = finish(training, at::kFloat);
  EXPECT_TRUE(same_weights(again.model, expected.model));
  EXPECT_FALSE(fs::exists(state_folder(work.path(), 4)));
}

TEST_F(States, OneOfAnotherTrainingIsNotResumed) {
  training.identity = "another";
  training.options.learning_rate = 2e-2;
  training.options.state_every = 100;
  const Outcome other = finish(training, at::kFloat);
  EXPECT_FALSE(fs::exists(state_folder(work.path(), 4)));
  const TemporaryFolder fresh;
  TestTraining alone(fresh.path());
  configure(alone);
  alone.options.learning_rate = 2e-2;
  EXPECT_TRUE(same_weights(other.model, finish(alone, at::kFloat).model));
}

// Untied, with an embedding that is not a number for token 7: rows that hold it are bad.
Llama poisoned_model() {
  Llama model = load_tiny(at::kFloat, "tiny-llama3");
  model.embed_tokens[7].fill_(std::numeric_limits<float>::quiet_NaN());
  return model;
}

TrainingRow row_with(uint64_t seed, bool is_bad) {
  TrainingRow row = random_row(seed, 3, 12);
  for (int64_t& id : row.input_ids) id = id == 7 ? 8 : id;
  if (is_bad) row.input_ids[1] = 7;
  return row;
}

TEST(Health, BadStepIsSkippedNotedAndForgotten) {
  const TemporaryFolder work;
  TestTraining training(work.path());
  configure(training);
  training.options.shuffle = false;
  Llama model = poisoned_model();
  const TrainResult result = training.run(
      model, {row_with(1, false), row_with(2, true), row_with(3, false), row_with(4, false)});
  ASSERT_EQ(result.metrics.size(), 4U);
  for (size_t step = 0; step < 4; ++step) {
    EXPECT_EQ(result.metrics[step].skipped, step == 1);
    EXPECT_EQ(std::isfinite(result.metrics[step].loss), step != 1);
  }
  EXPECT_TRUE(at::isfinite(model.lm_head).all().item<bool>());
  const std::string noted = read_file(work.path() / "quarantine.jsonl");
  EXPECT_NE(noted.find("row-2"), std::string::npos) << noted;
  EXPECT_EQ(noted.find("row-1"), std::string::npos) << noted;
  // From the state of step 3, which holds the loss that was not finite and the note.
  Llama resumed = poisoned_model();
  const TrainResult again = training.run(
      resumed, {row_with(1, false), row_with(2, true), row_with(3, false), row_with(4, false)});
  EXPECT_TRUE(at::equal(resumed.lm_head, model.lm_head));
  EXPECT_TRUE(again.metrics.at(1).skipped);
  EXPECT_EQ(read_file(work.path() / "quarantine.jsonl"), noted);
}

TEST(Health, ThreeBadStepsInARowEndTheTraining) {
  const TemporaryFolder work;
  TestTraining training(work.path());
  configure(training);
  training.options.shuffle = false;
  const auto run = [&](std::vector<bool> bad) {
    std::vector<TrainingRow> rows;
    for (const bool is_bad : bad) rows.push_back(row_with(rows.size() + 1, is_bad));
    Llama model = poisoned_model();
    (void)training.run(model, rows);
  };
  EXPECT_EQ(exit_code_of([&] { run({true, true, false, true, true}); }), ExitCode::kDone);
  training.identity = "second";
  EXPECT_EQ(exit_code_of(
                [&] {
                  run({false, true, true, true, false});
                },
                "step 4"),
            ExitCode::kTrainingHealth);
}

TEST(Stop, EndsWithTheCodeOfItsSignalAndLeavesNoGradients) {
  const TemporaryFolder work;
  TestTraining training(work.path());
  training.stop.request(SIGINT);
  Llama model = load_tiny();
  EXPECT_EQ(exit_code_of([&] { (void)training.run(model, random_rows(2)); }),
            ExitCode::kInterrupted);
  EXPECT_FALSE(model.embed_tokens.requires_grad());
}

}  // namespace
}  // namespace thoughtrank
