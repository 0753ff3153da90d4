#include "thoughtrank/bench/train_bench.h"

#include <algorithm>

#include "bench/machine.h"
#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/memory.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/data/training_file.h"
#include "thoughtrank/kernels/instruction_set.h"
#include "thoughtrank/model/sizes.h"
#include "thoughtrank/train/timed_steps.h"

namespace thoughtrank {
namespace {

// The same rows at every call.
std::vector<TrainingRow> random_rows(const TrainBenchOptions& options, int64_t vocabulary) {
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

std::vector<TrainingRow> rows_of(const TrainBenchOptions& options, int64_t vocabulary) {
  if (options.data.empty()) {
    if (options.loss_tokens.value_or(1) >= options.sequence) {
      fail(ExitCode::kUsage,
           "--loss-tokens {} must be below --sequence {}: nothing predicts the first token",
           *options.loss_tokens,
           options.sequence);
    }
    return random_rows(options, vocabulary);
  }
  std::vector<TrainingRow> rows;
  for (TrainingFileRow& row : read_training_file(options.data)) {
    if (row.row.input_ids.empty()) {
      fail(ExitCode::kBadData,
           "{}: the row of prompt '{}' has no input_ids; give the training_data.jsonl of a run",
           options.data,
           row.row.prompt_id);
    }
    rows.push_back(std::move(row.row));
  }
  return rows;
}

// Rows are packed into micro-batches of this many tokens.
int64_t packed_length(const TrainBenchOptions& options, const std::vector<TrainingRow>& rows) {
  int64_t longest = 0;
  for (const TrainingRow& row : rows) longest = std::max(longest, std::ssize(row.input_ids));
  return std::max(longest, options.pack.value_or(TrainOptions().sequence_length));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TrainingTimes time_rows(Llama& model,
                        const std::vector<TrainingRow>& rows,
                        const TrainOptions& train,
                        int64_t steps,
                        const Clock& clock,
                        const StopFlag& stop) {
  Progress progress({.stage = "bench train",
                     .unit = "steps",
                     .total = 1 + steps,
                     .already_done = 0,
                     .rate_unit = "tok"},
                    clock);
  const TrainSetup setup = {.options = train,
                            .seed = 1,
                            .round = 0,
                            .work_folder = {},
                            .identity = "",
                            .clock = clock,
                            .stop = stop};
  TrainingTimes times = time_training(model, rows, setup, steps, progress);
  progress.finish();
  return times;
}

// Operations per second beside what the device can do.
Json share_of_peak(const ComputeSetup& compute, double flops_per_s) {
  const PeakRates peak_rates = measure_peak_rates(compute);
  return {{"share_of_peak", flops_per_s / peak_rates.flops_per_s(compute.train_dtype)},
          {"peak_rates", in_billions(peak_rates)}};
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

// What the trainer is told: all rows are one step.
TrainOptions options_of_step(const TrainBenchOptions& options,
                             const ComputeSetup& compute,
                             const std::vector<TrainingRow>& rows) {
  TrainOptions train = options.train;
  train.dtype = compute.train_dtype;
  train.sequence_length = packed_length(options, rows);
  if (train.optimizer_in_backward) {
    train.clip = 0;
    train.tokens_per_step = train.sequence_length;
  }
  return train;
}

}  // namespace

Json bench_train(const TrainBenchOptions& options, const Clock& clock, const StopFlag& stop) {
  const int64_t empty_bytes = resident_bytes();
  const ComputeSetup compute = resolve_compute(options.compute);
  use_compute(compute);
  Llama model =
      load_llama(options.model, scalar_type(compute.train_dtype), at::Device(compute.device));
  const std::vector<TrainingRow> rows = rows_of(options, model.config.vocab_size);
  const TrainOptions train = options_of_step(options, compute, rows);
  const TrainingTimes times = time_rows(model, rows, train, options.steps, clock, stop);
  const int64_t peak_bytes = peak_resident_bytes();  // before the buffers of the peak rates
  const std::optional<int64_t> peak_device = peak_device_bytes(at::Device(compute.device));

  const double step_s = median(times.steps_s);
  const double flops_per_s = training_flops(model.config, rows) / step_s;
  Json report = {{"tokens_per_s", static_cast<double>(times.tokens) / step_s},
                 {"step_s", step_s},
                 {"forward_s", times.forward_s},
                 {"backward_s", times.backward_s},
                 {"update_s", times.update_s},
                 {"gflop_per_s", flops_per_s / 1e9}};
  report.update(share_of_peak(compute, flops_per_s));
  report.update({{"peak_rss_bytes", peak_bytes},
                 {"empty_rss_bytes", empty_bytes},
                 {"peak_device_bytes", peak_device ? Json(*peak_device) : Json()},
                 {"memory", stated_memory(times)},
                 {"steps", options.steps},
                 {"tokens", times.tokens},
                 {"loss_tokens", times.loss_tokens},
                 {"loss", times.loss},
                 {"pack", train.sequence_length},
                 {"checkpointing", word_of(times.size.checkpointing, kCheckpointings)},
                 {"optimizer_state", word_of(train.optimizer_state, kOptimizerStateChoices)},
                 {"dtype", word_of(compute.train_dtype)},
                 {"threads", compute.threads},
                 {"device", compute.device},
                 {"cpu", cpu_name()},
                 {"instruction_set", name_of(instruction_set())}});
  return report;
}

double training_flops(const LlamaConfig& model, const std::vector<TrainingRow>& rows) {
  const ParameterCounts counts = parameter_counts(model);
  const auto query_width = static_cast<double>(model.num_attention_heads * model.head_dim);
  const auto layers = static_cast<double>(model.num_hidden_layers);
  const auto layer_weights = static_cast<double>(counts.layer_matrices);
  const auto head_weights = static_cast<double>(counts.vocabulary);
  double multiply_adds = 0;
  for (const TrainingRow& row : rows) {
    const auto tokens = static_cast<double>(row.input_ids.size());
    const auto loss_tokens = static_cast<double>(count_loss_tokens(row));
    const double attention = tokens * tokens * query_width;  // scores and their sums, half of each
    multiply_adds += layers * (tokens * layer_weights + attention) + loss_tokens * head_weights;
  }
  return 3 * 2 * multiply_adds;
}

}  // namespace thoughtrank
