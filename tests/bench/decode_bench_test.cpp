// The decode benchmark's work, its times, and what its report says of both.
#include "thoughtrank/bench/decode_bench.h"

#include "bench/bench_room.h"
#include "bench/decode_timing.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/model/sizes.h"

namespace thoughtrank {
namespace {

constexpr DecodeWorkload kWork = {.prompt_tokens = 5, .new_tokens = 7, .branches = 20};

DecodeBenchOptions tiny_options(Dtype dtype) {
  return {.model = tiny_llama(),
          .compute = {.device = "cpu", .dtype = dtype, .train_dtype = {}, .threads = 1},
          .work = kWork,
          .slots = 16};
}

Json report_of(const DecodeBenchOptions& options) {
  show_progress(false);
  return bench_decode(options, SystemClock(), StopFlag());
}

class DecodeTimes : public ::testing::Test {
 protected:
  DecodeTimes() { show_progress(false); }
  Decoder decoder = load_decoder(tiny_llama(), {.device = "cpu"}, {.slots = 16});
  TickingClock clock;
  StopFlag stop;
};

TEST_F(DecodeTimes, AreOfTheFirstStepAndOfTheRest) {
  const DecodeTiming timing = time_decoding(decoder, kWork, clock, stop);
  EXPECT_GT(timing.prefill_s, 0);
  EXPECT_GT(timing.decode_s, 0);
}

TEST_F(DecodeTimes, AreOfASystemThatIsAskedToStop) {
  stop.request(/*signal=*/15);
  EXPECT_THROW((void)time_decoding(decoder, kWork, clock, stop), Error);
}

// Work that does not fit the model is told, not timed.
TEST_F(DecodeTimes, OfABranchThatBreaksAreAnError) {
  DecodeWorkload work = kWork;
  work.new_tokens = 2 * decoder.config().max_position_embeddings;
  EXPECT_THROW((void)time_decoding(decoder, work, clock, stop), Error);
}

TEST(DecodeReport, HasTheTimesTheRooflineAndTheSizes) {
  const Json report = report_of(tiny_options(Dtype::float32));
  expect_machine(report, "float32");
  const std::set<std::string> expected = {"tokens_per_s",
                                          "prefill_s",
                                          "decode_s",
                                          "load_s",
                                          "peak_rss_bytes",
                                          "empty_rss_bytes",
                                          "weights_bytes",
                                          "kv_bytes",
                                          "roofline_share",
                                          "peak_rates",
                                          "prompt_tokens",
                                          "new_tokens",
                                          "branches",
                                          "slots",
                                          "prefix",
                                          "without",
                                          "dtype",
                                          "threads",
                                          "device",
                                          "cpu",
                                          "instruction_set",
                                          "peak_device_bytes",
                                          "roofline_tokens_per_s"};
  EXPECT_EQ(keys_of(report), expected);
  const double tokens = 20 * 7;
  const double rate = report.at("tokens_per_s").get<double>();
  const double wall_s = report.at("prefill_s").get<double>() + report.at("decode_s").get<double>();
  EXPECT_NEAR(rate * wall_s, tokens, 1e-6);
  EXPECT_NEAR(
      report.at("roofline_share").get<double>() * report.at("roofline_tokens_per_s").get<double>(),
      rate,
      1e-6 * rate);
  EXPECT_EQ(report.at("slots"), 16);
  EXPECT_EQ(report.at("prefix"), "shared");
}

TEST(DecodeReport, SizesAreThoseOfTheModelAndTheWork) {
  const LlamaConfig model = read_llama_config(tiny_llama());
  const Json wide = report_of(tiny_options(Dtype::float32));
  EXPECT_EQ(wide.at("weights_bytes"), 4 * parameter_count(model));
  // The prompt once; of each branch its head and its new tokens.
  EXPECT_EQ(wide.at("kv_bytes"), (5 + 20 * (1 + 7)) * kv_bytes_per_token(model, Dtype::float32));

  DecodeBenchOptions copied = tiny_options(Dtype::bfloat16);
  copied.work.copies_prefix = true;
  const Json narrow = report_of(copied);
  EXPECT_EQ(narrow.at("prefix"), "copied");
  EXPECT_EQ(narrow.at("weights_bytes"), 2 * parameter_count(model));
  EXPECT_EQ(narrow.at("kv_bytes"), 20 * (5 + 1 + 7) * kv_bytes_per_token(model, Dtype::bfloat16));
}

}  // namespace
}  // namespace thoughtrank
