// The training benchmark's rows, its operations, and what its report says of both.
#include "thoughtrank/bench/train_bench.h"

#include <unistd.h>

#include <fstream>

#include "bench/bench_room.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/train/memory.h"

namespace thoughtrank {
namespace {

// C 8, F 16, L 3, H 2, K 1, D 4, V 32.
LlamaConfig small_config() {
  LlamaConfig config;
  config.hidden_size = 8;
  config.intermediate_size = 16;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 4;
  config.vocab_size = 32;
  return config;
}

TrainingRow row_of(int64_t tokens, int64_t loss_tokens) {
  TrainingRow row;
  row.prompt_id = "row";
  row.input_ids.assign(static_cast<size_t>(tokens), 1);
  row.spans = {{tokens - loss_tokens, tokens, 1.0}};
  return row;
}

TEST(TrainingFlops, AreCountedByHand) {
  // q and o 8·8, k and v 8·4, gate, up and down 8·16.
  const double layer = 2 * 64 + 2 * 32 + 3 * 128;
  // Scores and weighted sums of 2 heads of 4, each over half of 10·10.
  const double attention = 2 * (10 * 10 / 2) * 8;
  const double head = 4 * 8 * 32;  // four tokens have loss
  const double forward = 2 * (3 * (10 * layer + attention) + head);
  EXPECT_EQ(training_flops(small_config(), {row_of(10, 4)}), 3 * forward);
}

TEST(TrainingFlops, OfRowsAreTheirSum) {
  const LlamaConfig model = small_config();
  const double apart =
      training_flops(model, {row_of(10, 4)}) + training_flops(model, {row_of(6, 5)});
  EXPECT_EQ(training_flops(model, {row_of(10, 4), row_of(6, 5)}), apart);
  // One long row looks further back than two short ones.
  EXPECT_GT(training_flops(model, {row_of(12, 4)}), 2 * training_flops(model, {row_of(6, 2)}));
}

TEST(TrainingFlops, AHeadIsPaidForLossTokensOnly) {
  const LlamaConfig model = small_config();
  const double with_one = training_flops(model, {row_of(10, 1)});
  EXPECT_EQ(training_flops(model, {row_of(10, 3)}) - with_one, 3 * 2 * 2.0 * 8 * 32);
}

class TrainReport : public ::testing::Test {
 protected:
  TrainReport() {
    show_progress(false);
    options.model = tiny_llama();
    options.sequence = 16;
    options.rows = 2;
    options.steps = 2;
    options.compute = {.device = "cpu", .dtype = {}, .train_dtype = Dtype::float32, .threads = 1};
    options.train.optimizer_state = OptimizerState::float32;
  }
  ~TrainReport() override { std::filesystem::remove(data_); }

  Json report() { return bench_train(options, SystemClock(), StopFlag()); }
  void write_data(const std::string& text) {
    data_ = std::filesystem::temp_directory_path() / ("bench-" + std::to_string(::getpid()));
    std::ofstream(data_) << text;
    options.data = data_;
  }
  void expect_refused(ExitCode code, const std::string& words) {
    try {
      (void)report();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }

  TrainBenchOptions options;

 private:
  std::filesystem::path data_;
};

TEST_F(TrainReport, HasTheTimesAndTheirShareOfThePeak) {
  const Json report = this->report();
  expect_machine(report, "float32");
  EXPECT_EQ(report.at("steps"), 2);
  EXPECT_EQ(report.at("tokens"), 2 * 16);
  EXPECT_EQ(report.at("loss_tokens"), 2 * 12);  // three quarters of a row
  const double step_s = report.at("step_s").get<double>();
  EXPECT_NEAR(report.at("tokens_per_s").get<double>() * step_s, 32, 1e-6);
  const double peak = report.at("peak_rates").at("float32_gflops").get<double>();
  const double rate = report.at("gflop_per_s").get<double>();
  EXPECT_NEAR(report.at("share_of_peak").get<double>() * peak, rate, 1e-6 * rate);
  EXPECT_GT(report.at("loss").get<double>(), 0);
}

TEST_F(TrainReport, MemoryIsTheAccountingOfTheStep) {
  options.train.optimizer_state = OptimizerState::int8;
  options.train.optimizer_in_backward = true;
  options.pack = 64;
  const Json report = this->report();
  EXPECT_EQ(report.at("pack"), 64);
  EXPECT_EQ(report.at("optimizer_state"), "int8");
  const TrainingMemory stated = training_memory(
      read_llama_config(tiny_llama()), options.train, {.tokens = 32, .loss_tokens = 24});
  EXPECT_EQ(report.at("memory").at("weights"), stated.weights);
  EXPECT_EQ(report.at("memory").at("gradients"), stated.gradients);
  EXPECT_EQ(report.at("memory").at("moments"), stated.moments);
  EXPECT_EQ(report.at("memory").at("total"), stated.total());
}

TEST_F(TrainReport, TheSameRowsComeAtEveryCall) {
  EXPECT_EQ(report().at("loss"), report().at("loss"));
}

TEST_F(TrainReport, RowsOfARunAreTakenWhole) {
  write_data(dump_json(to_json(row_of(6, 2))) + "\n");
  const Json report = this->report();
  EXPECT_EQ(report.at("tokens"), 6);
  EXPECT_EQ(report.at("loss_tokens"), 2);
}

TEST_F(TrainReport, RowsWithoutIdsAreRefused) {
  write_data(R"({"prompt":"2+2?","completion":"4"})"
             "\n");
  expect_refused(ExitCode::kBadData, "has no input_ids");
  write_data(R"({"messages":[{"role":"user","content":"2+2?"}]})"
             "\n");
  expect_refused(ExitCode::kBadData, "ends in a turn of 'user'");
}

TEST_F(TrainReport, LossOnTheFirstTokenIsRefused) {
  options.loss_tokens = 16;
  expect_refused(ExitCode::kUsage, "--loss-tokens 16 must be below --sequence 16");
}

}  // namespace
}  // namespace thoughtrank
