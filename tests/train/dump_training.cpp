// Trains on JSONL rows and prints a line of metrics for each step, for tests/parity/train_parity.py
// and tests/parity/dpo_parity.py:
//   dump_training MODEL_DIR LEARNING_RATE EPOCHS DTYPE < training_data.jsonl
//   dump_training MODEL_DIR LEARNING_RATE EPOCHS DTYPE BETA NLL < preference_pairs.jsonl
// All rows are one optimizer step, in order; constant learning rate, no clipping, no weight decay.
#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

#include "thoughtrank/train/trainer.h"

namespace thoughtrank {
namespace {

template <class Row>
std::vector<Row> read_stdin() {
  std::vector<Row> rows;
  for (std::string line; std::getline(std::cin, line);) {
    rows.push_back(from_json<Row>(parse_json(line, "stdin"), "stdin"));
  }
  return rows;
}

TrainOptions options_from(char** arguments) {
  TrainOptions options;
  options.learning_rate = std::stod(arguments[2]);
  options.epochs = std::stoll(arguments[3]);
  options.dtype = value_of(arguments[4], kDtypes).value();
  options.schedule = Schedule::constant;
  options.warmup = 0;
  options.clip = 0;
  options.shuffle = false;
  options.tokens_per_step = int64_t{1} << 40;
  return options;
}

void run(char** arguments, bool has_pairs) {
  TrainOptions options = options_from(arguments);
  if (has_pairs) options.dpo = {.beta = std::stod(arguments[5]), .nll = std::stod(arguments[6])};
  Llama model = load_llama(arguments[1], scalar_type(*options.dtype), at::kCPU);
  SystemClock clock;
  const StopFlag stop;
  const auto work = std::filesystem::temp_directory_path() / fmt::format("dump-{}", getpid());
  Progress progress({.stage = "train", .unit = "steps", .rate_unit = "tok"}, clock);
  const TrainSetup setup = {
      .options = options, .work_folder = work, .identity = "", .clock = clock, .stop = stop};
  const TrainResult result =
      has_pairs ? train_on_pairs(model, read_stdin<PreferencePairRow>(), setup, progress)
                : train(model, read_stdin<TrainingRow>(), setup, progress);
  std::filesystem::remove_all(work);
  for (const MetricsRow& row : result.metrics) std::cout << dump_json(to_json(row)) << std::endl;
}

}  // namespace
}  // namespace thoughtrank

int main(int argc, char** argv) {
  if (argc != 5 && argc != 7) {
    std::fputs(
        "usage: dump_training MODEL_DIR LEARNING_RATE EPOCHS DTYPE [BETA NLL] < rows.jsonl\n",
        stderr);
    return static_cast<int>(thoughtrank::ExitCode::kUsage);
  }
  try {
    thoughtrank::run(argv, /*has_pairs=*/argc == 7);
  } catch (const thoughtrank::Error& error) {
    std::fprintf(stderr, "dump_training: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
