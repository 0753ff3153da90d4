#include "app/bench_train.h"

#include <algorithm>

#include "app/bench_machine.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/kernels/device.h"
#include "thoughtrank/pipeline/model_setup.h"
#include "thoughtrank/train/bench.h"

namespace thoughtrank {

namespace {

struct BenchTrainOptions {
  std::string model;
  std::string data;
  int64_t sequence = 512;
  int64_t rows = 4;
  std::optional<int64_t> loss_tokens;
  int64_t steps = 3;
  std::optional<int64_t> pack;
  std::string dtype = "auto";
  std::string optimizer_state = "auto";
  std::string checkpointing = "auto";
  bool in_backward = false;
  std::optional<int64_t> threads;
  std::string device = "cpu";
};

ComputeSetup machine_of(const BenchTrainOptions& options) {
  RunConfig config;
  config.device = options.device;
  config.train.dtype = options.dtype;
  config.threads = options.threads;
  return resolve_compute(config);
}

// The same rows at every call.
std::vector<TrainingRow> random_rows(const BenchTrainOptions& options, int64_t vocabulary) {
  RandomStream random(/*seed=*/1, "bench train");
  const int64_t loss_tokens = options.loss_tokens.value_or(options.sequence * 3 / 4);
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < options.rows; ++n) {
    TrainingRow row;
    row.prompt_id = fmt::format("random-{}", n);
    for (int64_t i = 0; i < options.sequence; ++i) {
      row.input_ids.push_back(
          static_cast<int64_t>(random.below(static_cast<uint64_t>(vocabulary))));
    }
    row.spans = {{options.sequence - loss_tokens, options.sequence, 1.0}};
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<TrainingRow> rows_of(const BenchTrainOptions& options, int64_t vocabulary) {
  if (options.data.empty()) {
    if (options.loss_tokens.value_or(1) >= options.sequence) {
      fail(ExitCode::kUsage,
           "--loss-tokens {} must be below --sequence {}: nothing predicts the first token",
           *options.loss_tokens,
           options.sequence);
    }
    return random_rows(options, vocabulary);
  }
  auto rows = read_rows<TrainingRow>(options.data);
  for (const TrainingRow& row : rows) {
    if (!row.input_ids.empty()) continue;
    fail(ExitCode::kBadData,
         "{}: the row of prompt '{}' has no input_ids; give the training_data.jsonl of a run",
         options.data,
         row.prompt_id);
  }
  return rows;
}

// Rows are packed into micro-batches of this many tokens.
int64_t packed_length(const BenchTrainOptions& options, const std::vector<TrainingRow>& rows) {
  int64_t longest = 0;
  for (const TrainingRow& row : rows) longest = std::max(longest, std::ssize(row.input_ids));
  return std::max(longest, options.pack.value_or(TrainOptions().sequence_length));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TrainingTimes time_rows(App& app,
                        const BenchTrainOptions& options,
                        Llama& model,
                        const std::vector<TrainingRow>& rows,
                        const TrainOptions& train) {
  Progress progress({.stage = "bench train",
                     .unit = "steps",
                     .total = 1 + options.steps,
                     .already_done = 0,
                     .rate_unit = "tok"},
                    app.clock);
  const TrainSetup setup = {.options = train,
                            .seed = 1,
                            .round = 0,
                            .work_folder = {},
                            .identity = "",
                            .clock = app.clock,
                            .stop = app.stop};
  TrainingTimes times = time_training(model, rows, setup, options.steps, progress);
  progress.finish();
  return times;
}

// Operations per second beside what the device can do.
Json share_of_peak(const ComputeSetup& compute, double flops_per_s) {
  const at::Device device(compute.device);
  const PeakRates peak_rates =
      device.is_cpu() ? measure_peak_rates(compute.threads) : measure_device_peak_rates(device);
  const bool is_bfloat16 = compute.train_dtype == "bfloat16";
  const double peak =
      is_bfloat16 ? peak_rates.bfloat16_flops_per_s : peak_rates.float32_flops_per_s;
  return {{"share_of_peak", flops_per_s / peak}, {"peak_rates", in_billions(peak_rates)}};
}

// The accounting of train/memory.h, to be set beside peak − empty.
Json stated_memory(const TrainingTimes& times) {
  return {{"weights", times.memory.weights},
          {"gradients", times.memory.gradients},
          {"moments", times.memory.moments},
          {"activations", times.memory.activations},
          {"loss_chunk", times.memory.loss_chunk},
          {"layer_work", times.memory.layer_work},
          {"total", times.memory.total()}};
}

void bench_train_command(App& app, const BenchTrainOptions& options) {
  const int64_t empty_bytes = resident_bytes();
  const ComputeSetup compute = machine_of(options);
  use_compute(compute);
  const auto dtype = compute.train_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  Llama model = load_llama(options.model, dtype, at::Device(compute.device));
  const std::vector<TrainingRow> rows = rows_of(options, model.config.vocab_size);
  TrainOptions train;
  train.dtype = compute.train_dtype;
  train.optimizer_state = options.optimizer_state;
  train.checkpointing = options.checkpointing;
  train.optimizer_in_backward = options.in_backward;
  if (options.in_backward) train.clip = 0;
  train.sequence_length = packed_length(options, rows);
  if (options.in_backward) train.tokens_per_step = train.sequence_length;
  const TrainingTimes times = time_rows(app, options, model, rows, train);
  const int64_t peak_bytes = peak_resident_bytes();  // before the peak_rates' own buffers
  const std::optional<int64_t> peak_device = peak_device_bytes(at::Device(compute.device));

  const double step_s = median(times.steps_s);
  Json report = {{"tokens_per_s", static_cast<double>(times.tokens) / step_s},
                 {"step_s", step_s},
                 {"forward_s", times.forward_s},
                 {"backward_s", times.backward_s},
                 {"update_s", times.update_s}};
  const double flops = training_flops(model.config, rows);
  report.update({{"gflop_per_s", flops / step_s / 1e9}});
  report.update(share_of_peak(compute, flops / step_s));
  report.update({{"peak_rss_bytes", peak_bytes},
                 {"empty_rss_bytes", empty_bytes},
                 {"peak_device_bytes", peak_device ? Json(*peak_device) : Json()},
                 {"memory", stated_memory(times)},
                 {"steps", options.steps},
                 {"tokens", times.tokens},
                 {"loss_tokens", times.loss_tokens},
                 {"loss", times.loss},
                 {"pack", train.sequence_length},
                 {"checkpointing", times.size.checkpointing},
                 {"optimizer_state", options.optimizer_state},
                 {"dtype", compute.train_dtype},
                 {"threads", compute.threads},
                 {"device", compute.device},
                 {"cpu", cpu_name()},
                 {"instruction_set", instruction_set_name()}});
  print(dump_json(report) + "\n");
}

void add_options(CLI::App& command, BenchTrainOptions& options) {
  const auto number = [&](const char* name, auto& value, const char* text, int64_t least) {
    return command.add_option(name, value, text)->check(CLI::Range(least, int64_t{1} << 24));
  };
  command.add_option("--model", options.model, "Hugging Face folder; its tokenizer is not needed")
      ->required();
  command.add_option(
      "--data", options.data, "training_data.jsonl instead of random rows: all of it is one step");
  number("--sequence", options.sequence, "tokens of a random row", 2)->capture_default_str();
  number("--rows", options.rows, "random rows, together one step", 1)->capture_default_str();
  number("--loss-tokens", options.loss_tokens, "last tokens of a row with loss (default: 3/4)", 1);
  number("--steps", options.steps, "timed steps; one more warms up", 1)->capture_default_str();
  number("--pack", options.pack, "train.sequence_length: tokens of a micro-batch", 2);
  command.add_option("--dtype", options.dtype, "auto, float32 or bfloat16")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
  command
      .add_option(
          "--optimizer-state", options.optimizer_state, "train.optimizer_state: AdamW's moments")
      ->check(CLI::IsMember({"auto", "float32_master", "float32", "bfloat16", "int8"}))
      ->capture_default_str();
  command.add_option("--checkpointing", options.checkpointing, "train.checkpointing")
      ->check(CLI::IsMember({"auto", "none", "selective", "full"}))
      ->capture_default_str();
  command.add_flag("--in-backward", options.in_backward, "train.optimizer_in_backward");
  command.add_option("--threads", options.threads, "CPU threads (default: one per core)")
      ->check(CLI::Range(1, 4096));
  command.add_option("--device", options.device, "cpu or cuda (the first GPU)")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
}

}  // namespace

void add_bench_train(App& app, CLI::App& bench) {
  const auto options = std::make_shared<BenchTrainOptions>();
  CLI::App* train = bench.add_subcommand("train", "full fine-tuning steps, timed");
  train->footer(command_footer("bench train"));
  train->fallthrough();
  train->callback(
      [&app, options] { app.work = [&app, options] { bench_train_command(app, *options); }; });
  add_options(*train, *options);
}

}  // namespace thoughtrank
