// bench: how fast this machine decodes and trains, beside what it could do (room bench).
#include "app/command.h"
#include "thoughtrank/bench/decode_bench.h"
#include "thoughtrank/bench/train_bench.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {
namespace {

void add_compute_options(CLI::App& command, ComputeOptions& compute, std::optional<Dtype>& dtype) {
  add_choice(command, "--dtype", dtype, kComputeDtypes, "auto, float32 or bfloat16");
  command.add_option("--threads", compute.threads, "CPU threads (default: one per core)")
      ->check(CLI::Range(1, 4096));
  command.add_option("--device", compute.device, "cpu or cuda (the first GPU)")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
}

std::string require_slots(const std::string& text) {
  int64_t slots = 0;
  const bool is_good =
      CLI::detail::lexical_cast(text, slots) && slots >= 16 && slots <= 1024 && slots % 16 == 0;
  return is_good ? "" : fmt::format("expected a multiple of 16 from 16 to 1024, found {}", text);
}

void add_decode_options(CLI::App& command, DecodeBenchOptions& options) {
  command.add_option("--model", options.model, "Hugging Face folder; its tokenizer is not needed")
      ->type_name("DIR")
      ->required();
  command
      .add_option("--prompt-tokens", options.work.prompt_tokens, "tokens that the branches share")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--new-tokens", options.work.new_tokens, "tokens that each branch generates")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--branches", options.work.branches, "branches of the one prompt")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  add_compute_options(command, options.compute, options.compute.dtype);
  command.add_flag("--eager", options.is_eager, "on cuda: enqueue each step anew, no CUDA graph");
  command.add_flag("--copied-prefix",
                   options.work.copies_prefix,
                   "every branch with a copy of the prompt of its own: what sharing it gains");
  command
      .add_option("--without",
                  options.without,
                  "on cuda: plain tensor operations in place of this kernel (repeatable)")
      ->check(CLI::IsMember(step_kernel_names()));
  command.add_option("--slots", options.slots, "branches in flight (default: chosen from memory)")
      ->check(require_slots);
}

void add_train_options(CLI::App& command, TrainBenchOptions& options) {
  const auto number = [&](const char* name, auto& value, const char* text, int64_t least) {
    return command.add_option(name, value, text)->check(CLI::Range(least, int64_t{1} << 24));
  };
  command.add_option("--model", options.model, "Hugging Face folder; its tokenizer is not needed")
      ->type_name("DIR")
      ->required();
  command
      .add_option("--data",
                  options.data,
                  "training_data.jsonl instead of random rows: all of it is one step")
      ->type_name("FILE");
  number("--sequence", options.sequence, "tokens of a random row", 2)->capture_default_str();
  number("--rows", options.rows, "random rows, together one step", 1)->capture_default_str();
  number("--loss-tokens", options.loss_tokens, "last tokens of a row with loss (default: 3/4)", 1);
  number("--steps", options.steps, "timed steps; one more warms up", 1)->capture_default_str();
  number("--pack", options.pack, "train.sequence_length: tokens of a micro-batch", 2);
  add_choice(command,
             "--optimizer-state",
             options.train.optimizer_state,
             kOptimizerStateChoices,
             "train.optimizer_state: AdamW's moments");
  add_choice(command,
             "--checkpointing",
             options.train.checkpointing,
             kCheckpointingChoices,
             "train.checkpointing");
  command.add_flag(
      "--in-backward", options.train.optimizer_in_backward, "train.optimizer_in_backward");
  add_compute_options(command, options.compute, options.compute.train_dtype);
}

// A subcommand of `bench` that prints what `measure` returns.
template <class Options>
CLI::App* add_benchmark(App& app,
                        CLI::App& bench,
                        const std::string& name,
                        const std::string& description,
                        Json (*measure)(const Options&, const Clock&, const StopFlag&),
                        const std::shared_ptr<Options>& options) {
  CLI::App* command = bench.add_subcommand(name, description);
  command->footer(command_footer("bench " + name));
  command->fallthrough();
  command->callback([&app, measure, options] {
    app.work = [&app, measure, options] {
      print(dump_json(measure(*options, app.clock, app.stop)) + "\n");
    };
  });
  return command;
}

}  // namespace

void add_bench_command(App& app) {
  CLI::App* bench = app.cli.add_subcommand(
      "bench", "how fast this machine decodes and trains, and how fast it could");
  bench->require_subcommand(1);
  bench->footer(command_footer("bench"));
  bench->fallthrough();
  const auto decode = std::make_shared<DecodeBenchOptions>();
  add_decode_options(
      *add_benchmark(
          app, *bench, "decode", "62 branches of one prompt, timed", bench_decode, decode),
      *decode);
  const auto train = std::make_shared<TrainBenchOptions>();
  add_train_options(
      *add_benchmark(app, *bench, "train", "full fine-tuning steps, timed", bench_train, train),
      *train);
}

}  // namespace thoughtrank
