// What the tests of the trainer share: the tiny models, rows of random tokens, a silent set-up.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

inline std::filesystem::path tiny_llama(const std::string& name = "tiny-llama") {
  return std::filesystem::path(TEST_DATA_DIR) / name;
}

inline Llama load_tiny(at::ScalarType dtype = at::kFloat, const std::string& name = "tiny-llama") {
  return load_llama(tiny_llama(name), dtype, at::kCPU);
}

// A row of random tokens whose first `prompt` tokens have no loss.
inline TrainingRow random_row(uint64_t seed, int64_t prompt, int64_t tokens) {
  RandomStream stream(seed, "test row");
  TrainingRow row;
  row.prompt_id = "row-" + std::to_string(seed);
  for (int64_t i = 0; i < tokens; ++i) {
    row.input_ids.push_back(static_cast<int64_t>(stream.below(320)));
  }
  row.spans = {{prompt, tokens, 1.0}};
  return row;
}

inline std::vector<TrainingRow> random_rows(int64_t count) {
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < count; ++n) {
    rows.push_back(random_row(static_cast<uint64_t>(n), 3 + n % 4, 12 + 5 * (n % 3)));
  }
  return rows;
}

inline TrainOptions test_options() {
  TrainOptions options;
  options.learning_rate = 1e-2;
  options.schedule = Schedule::constant;
  options.warmup = 0;
  options.sequence_length = 64;
  options.tokens_per_step = 30;
  return options;
}

// Trains silently.
class TestTraining {
 public:
  TrainOptions options = test_options();
  StopFlag stop;
  std::string identity = "test";

  explicit TestTraining(std::filesystem::path work) : work_(std::move(work)) {}
  TrainResult run(Llama& model, const std::vector<TrainingRow>& rows) {
    Progress progress = silent_progress();
    return train(model, rows, setup(), progress);
  }
  TrainResult run(Llama& model, const std::vector<PreferencePairRow>& pairs) {
    Progress progress = silent_progress();
    return train_on_pairs(model, pairs, setup(), progress);
  }
  [[nodiscard]] TrainSetup setup() const {
    return {.options = options,
            .seed = 5,
            .round = 1,
            .work_folder = work_,
            .identity = identity,
            .clock = clock_,
            .stop = stop};
  }

 private:
  [[nodiscard]] Progress silent_progress() const {
    show_progress(false);
    return Progress({.stage = "train", .unit = "steps", .rate_unit = "tok"}, clock_);
  }

  std::filesystem::path work_;
  SystemClock clock_;
};

inline bool same_weights(const Llama& a, const Llama& b) {
  const NamedTensors first = a.named_parameters(), second = b.named_parameters();
  bool same = first.size() == second.size();
  for (size_t i = 0; same && i < first.size(); ++i) {
    same = at::equal(first[i].second, second[i].second);
  }
  return same;
}

// The exit code of what `work` throws, whose message must hold `text`; kDone when it throws
// nothing.
template <class Work>
ExitCode exit_code_of(Work work, const std::string& text = "") {
  const Error error = error_of(work);
  if (error.code() != ExitCode::kDone) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
  return error.code();
}

}  // namespace thoughtrank
