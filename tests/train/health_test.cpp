// R13 and R14 of the reliability rows: what is not finite, and what is far off, at every step and
// in every weight. Such a step never reaches the weights, and the next healthy one does.
#include <cmath>
#include <limits>

#include "support/temporary_folder.h"
#include "support/trials.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/train/checkpoint.h"
#include "train/training_room.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSteps = 8;
constexpr int64_t kBadToken = 7;

// Where a fault arises, for a row that holds kBadToken.
enum class Site { nan_input, infinite_input, negative_infinite_input, gradient };

// Untied, so that the poison is in the input only. gradient: the loss is finite, its gradient is
// above what float32 can hold.
Llama poisoned_model(Site site) {
  Llama model = load_tiny(at::kFloat, "tiny-llama3");
  if (site == Site::gradient) {
    model.embed_tokens.select(1, 3).zero_();
    model.embed_tokens[kBadToken][3] = 1;
    model.layers[0].input_layernorm[3] = 1e30F;
    LlamaLayer& layer = model.layers[0];
    for (const at::Tensor& weight : {layer.q_proj, layer.k_proj, layer.v_proj}) {
      weight.select(1, 3).zero_();
    }
    return model;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float value = site == Site::nan_input        ? std::numeric_limits<float>::quiet_NaN()
                      : site == Site::infinite_input ? kInfinity
                                                     : -kInfinity;
  model.embed_tokens[kBadToken].fill_(value);
  return model;
}

// Each row has tokens of its own, so that no healthy step teaches a poisoned dimension anything.
std::vector<TrainingRow> rows_with_bad(const std::vector<int64_t>& bad_steps) {
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < kSteps; ++n) {
    rows.push_back(random_row(static_cast<uint64_t>(n), 3, 12));
    for (int64_t& id : rows.back().input_ids) id = 40 * n + id % 40;
    for (int64_t& id : rows.back().input_ids) id = id == kBadToken ? 8 : id;
  }
  for (const int64_t step : bad_steps) {
    rows[static_cast<size_t>(step)].input_ids[1] = kBadToken;
  }
  return rows;
}

void one_row_a_step(TrainOptions& options) {
  options.tokens_per_step = 1;
  options.shuffle = false;
  options.spike_sigmas = 0;
  options.learning_rate = 1e-3;
}

// Everything but the poison itself.
bool is_sound(const Llama& model) {
  bool sound = true;
  for (const auto& [name, weight] : model.named_parameters()) {
    at::Tensor looked_at = weight.detach().clone();
    if (name == "model.embed_tokens.weight") looked_at[kBadToken].zero_();
    sound = sound && at::isfinite(looked_at).all().item<bool>();
  }
  return sound;
}

std::vector<Json> quarantine_in(const fs::path& work) {
  std::vector<Json> rows;
  std::istringstream lines(read_file(work / "quarantine.jsonl"));
  for (std::string line; std::getline(lines, line);) rows.push_back(parse_json(line, "quarantine"));
  return rows;
}

class NotFinite : public testing::TestWithParam<Site> {};

TEST_P(NotFinite, StepIsSkippedNotedAndForgottenWhereverItComes) {
  record_trials(kSteps);
  for (int64_t bad = 0; bad < kSteps; ++bad) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    one_row_a_step(training.options);
    Llama model = poisoned_model(GetParam());
    const Llama start = poisoned_model(GetParam());
    const TrainResult result = training.run(model, rows_with_bad({bad}));
    ASSERT_EQ(std::ssize(result.metrics), kSteps);
    for (int64_t step = 0; step < kSteps; ++step) {
      EXPECT_EQ(result.metrics[static_cast<size_t>(step)].skipped, step == bad) << bad;
    }
    EXPECT_TRUE(is_sound(model)) << bad;
    EXPECT_FALSE(at::equal(model.lm_head, start.lm_head)) << "the healthy steps count";
    const std::vector<Json> noted = quarantine_in(work.path());
    ASSERT_EQ(noted.size(), 1U);
    EXPECT_EQ(noted[0]["prompt_ids"], Json({"row-" + std::to_string(bad)}));
    EXPECT_EQ(noted[0]["step"], bad + 1);
    const std::string value = noted[0][GetParam() == Site::gradient ? "grad_norm" : "loss"];
    EXPECT_TRUE(value == "nan" || value == "inf") << value;
  }
}

TEST_P(NotFinite, ThreeInARowEndTheTrainingWhereverTheyCome) {
  record_trials(kSteps - 2);
  for (int64_t bad = 0; bad + 2 < kSteps; ++bad) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    one_row_a_step(training.options);
    Llama model = poisoned_model(GetParam());
    EXPECT_EQ(exit_code_of(
                  [&] {
                    (void)training.run(model, rows_with_bad({bad, bad + 1, bad + 2}));
                  },
                  "quarantine.jsonl"),
              ExitCode::kTrainingHealth);
    EXPECT_EQ(quarantine_in(work.path()).size(), 3U);
    EXPECT_TRUE(is_sound(model));
  }
}

INSTANTIATE_TEST_SUITE_P(Sites,
                         NotFinite,
                         testing::Values(Site::nan_input,
                                         Site::infinite_input,
                                         Site::negative_infinite_input,
                                         Site::gradient));

// One value of one weight: no step is right, and nothing else is touched.
TEST(NotFiniteWeights, InAnyTensorEndTheTraining) {
  int trials = 0;
  const Llama base = load_tiny(at::kFloat, "tiny-llama3");
  for (const auto& [poisoned, weight] : base.named_parameters()) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    one_row_a_step(training.options);
    Llama model = load_tiny(at::kFloat, "tiny-llama3");
    for (auto& [name, tensor] : model.named_parameters()) {
      if (name == poisoned) tensor.fill_(std::numeric_limits<float>::quiet_NaN());
    }
    EXPECT_EQ(exit_code_of([&] { (void)training.run(model, rows_with_bad({})); }),
              ExitCode::kTrainingHealth)
        << poisoned;
    const NamedTensors before = base.named_parameters(), after = model.named_parameters();
    for (size_t n = 0; n < before.size(); ++n) {
      if (before[n].first == poisoned) continue;
      EXPECT_TRUE(at::equal(before[n].second, after[n].second)) << poisoned;
    }
    ++trials;
  }
  record_trials(trials);
  EXPECT_GT(trials, 15);
}

// Rows of one token over and over are learnt at once; then a row of noise comes.
std::vector<TrainingRow> rows_around_noise(int64_t count, int64_t at) {
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < count; ++n) {
    rows.push_back(random_row(static_cast<uint64_t>(n), 3, 24));
    if (n == at) continue;
    for (int64_t& id : rows.back().input_ids) id = 40;
  }
  return rows;
}

TEST(Spikes, ARowOfNoiseIsSkippedAtOnceAndNoOther) {
  constexpr int64_t kRows = 60, kFirst = 30, kEvery = 4;
  int trials = 0;
  for (int64_t at = kFirst; at < kRows; at += kEvery, ++trials) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    one_row_a_step(training.options);
    training.options.spike_sigmas = 6;
    Llama model = load_tiny();
    const TrainResult result = training.run(model, rows_around_noise(kRows, at));
    for (int64_t step = 0; step < kRows; ++step) {
      EXPECT_EQ(result.metrics[static_cast<size_t>(step)].skipped, step == at)
          << step << " of " << at << ", loss " << result.metrics[static_cast<size_t>(step)].loss;
    }
  }
  record_trials(trials);
}

// One token of loss, or a whole sequence of it, is no reason to skip a step.
TEST(Spikes, ShortAndLongRowsAreNone) {
  constexpr int64_t kRows = 40, kLongest = 64;
  const TemporaryFolder work;
  TestTraining training(work.path());
  one_row_a_step(training.options);
  training.options.spike_sigmas = 6;
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < kRows; ++n) {
    const bool is_short = n % 10 == 8, is_long = n % 10 == 9;
    rows.push_back(random_row(static_cast<uint64_t>(n), 3, is_long ? kLongest : is_short ? 4 : 20));
  }
  Llama model = load_tiny();
  for (const MetricsRow& row : training.run(model, rows).metrics) {
    EXPECT_FALSE(row.skipped) << row.step << ", loss " << row.loss;
  }
  record_trials(kRows / 5);
}

}  // namespace
}  // namespace thoughtrank
