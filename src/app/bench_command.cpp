// bench decode: the generator's speed on made-up tokens, beside the peak_rates of the machine.
#include "app/bench_machine.h"
#include "app/bench_train.h"
#include "app/decode_timing.h"
#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/decode/roofline.h"
#include "thoughtrank/kernels/instruction_set.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/sizes.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

namespace {

struct BenchOptions {
  std::string model;
  std::optional<Dtype> dtype;
  DecodeWorkload work;
  std::optional<int64_t> threads;
  std::optional<int64_t> slots;
  std::string device = "cpu";
  bool is_eager = false;
  std::vector<std::string> without;
};

ComputeSetup machine_of(const BenchOptions& options) {
  return resolve_compute(ComputeOptions{.device = options.device,
                                        .dtype = options.dtype,
                                        .train_dtype = {},
                                        .threads = options.threads});
}

// Weights and KV as they must be held, the decoder's own overheads not counted.
Json sizes(const LlamaConfig& model, const BenchOptions& options, Dtype dtype) {
  const DecodeWorkload& work = options.work;
  const int64_t prompts = work.copies_prefix ? work.branches : 1;
  const int64_t kv_tokens = prompts * work.prompt_tokens + work.branches * (1 + work.new_tokens);
  return {{"weights_bytes", parameter_count(model) * bytes_of(dtype)},
          {"kv_bytes", kv_tokens * kv_bytes_per_token(model, dtype)}};
}

double tokens_per_s(const DecodeTiming& timing, const BenchOptions& options) {
  return static_cast<double>(options.work.branches * options.work.new_tokens) /
         (timing.prefill_s + timing.decode_s);
}

// What the device could do at most, beside what it did.
Json floors(const LlamaConfig& model,
            const ComputeSetup& compute,
            const BenchOptions& options,
            double rate) {
  const PeakRates peak_rates = measure_peak_rates(compute);
  const DecodeRoofline roofline =
      decode_roofline(model,
                      {.prompt_tokens = options.work.prompt_tokens,
                       .new_tokens = options.work.new_tokens,
                       .branches = options.work.branches,
                       .bytes_per_element = bytes_of(compute.dtype)},
                      {.flops_per_s = peak_rates.flops_per_s(compute.dtype),
                       .read_bytes_per_s = peak_rates.read_bytes_per_s});
  return {{"roofline_tokens_per_s", roofline.tokens_per_s},
          {"roofline_share", rate / roofline.tokens_per_s},
          {"peak_rates", in_billions(peak_rates)}};
}

void bench_decode_command(App& app, const BenchOptions& options) {
  const int64_t empty_bytes = resident_bytes();
  const ComputeSetup compute = machine_of(options);
  use_compute(compute);
  const double started_s = app.clock.now_s();
  auto decoder = std::make_unique<Decoder>(load_decoder(
      options.model,
      compute,
      {.slots = options.slots, .records_steps = !options.is_eager, .without = options.without}));
  wait_for_device(at::Device(compute.device));
  const double load_s = app.clock.now_s() - started_s;
  const LlamaConfig model = decoder->config();
  const int64_t slots = decoder->slots();
  const DecodeTiming timing = time_decoding(app, *decoder, options.work);
  const int64_t peak_bytes = peak_resident_bytes();  // before the peak_rates' own buffers
  const std::optional<int64_t> peak_device = peak_device_bytes(at::Device(compute.device));
  decoder.reset();

  const double rate = tokens_per_s(timing, options);
  Json report = {{"tokens_per_s", rate},
                 {"prefill_s", timing.prefill_s},
                 {"decode_s", timing.decode_s},
                 {"load_s", load_s}};
  report.update(floors(model, compute, options, rate));
  report.update({{"peak_rss_bytes", peak_bytes},
                 {"empty_rss_bytes", empty_bytes},
                 {"peak_device_bytes", peak_device ? Json(*peak_device) : Json()}});
  report.update(sizes(model, options, compute.dtype));
  report.update({{"prompt_tokens", options.work.prompt_tokens},
                 {"new_tokens", options.work.new_tokens},
                 {"branches", options.work.branches},
                 {"slots", slots},
                 {"prefix", options.work.copies_prefix ? "copied" : "shared"},
                 {"without", options.without},
                 {"dtype", word_of(compute.dtype)},
                 {"threads", compute.threads},
                 {"device", compute.device},
                 {"cpu", cpu_name()},
                 {"instruction_set", name_of(instruction_set())}});
  print(dump_json(report) + "\n");
}

std::string require_slots(const std::string& text) {
  int64_t slots = 0;
  const bool is_good =
      CLI::detail::lexical_cast(text, slots) && slots >= 16 && slots <= 1024 && slots % 16 == 0;
  return is_good ? "" : fmt::format("expected a multiple of 16 from 16 to 1024, found {}", text);
}

void add_bench_options(CLI::App& command, BenchOptions& options) {
  command.add_option("--model", options.model, "Hugging Face folder; its tokenizer is not needed")
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
  add_choice(command, "--dtype", options.dtype, kComputeDtypes, "auto, float32 or bfloat16");
  command.add_option("--threads", options.threads, "CPU threads (default: one per core)")
      ->check(CLI::Range(1, 4096));
  command.add_option("--device", options.device, "cpu or cuda (the first GPU)")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
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

constexpr const char* kBenchHelp =
    "One prompt of random tokens, then that many branches with a head of one token each; greedy, "
    "an end of text is\n"
    "ignored. Loading and a warm-up, the same work once, are not timed. Prints one JSON object on "
    "stdout:\n"
    "  tokens_per_s        branches x new tokens / (prefill_s + decode_s)\n"
    "  prefill_s           until the first new token of the branches: the prompt and one step\n"
    "  decode_s            the other steps\n"
    "  load_s              reading the model and packing its weights\n"
    "  roofline_tokens_per_s  what the peak_rates allow: each phase takes the longer of its bytes "
    "and "
    "its operations\n"
    "  roofline_share         tokens_per_s / roofline_tokens_per_s\n"
    "  peak_rss_bytes, empty_rss_bytes  of the process at its largest, and before the model was "
    "loaded\n"
    "  peak_device_bytes   of libtorch's allocator on a GPU, else null\n"
    "  weights_bytes, kv_bytes          what must be held: all weights once; prompt once, branches "
    "at full length\n"
    "  prompt_tokens, new_tokens, branches, slots, prefix, without, dtype, threads, device, cpu, "
    "instruction_set\n"
    "  peak_rates            float32_gflops, bfloat16_gflops, read_gb_per_s: measured after the "
    "run, "
    "at these threads;\n"
    "                      of a GPU by libtorch's products and copies\n"
    "Example: thoughtrank bench decode --model models/SmolLM2-135M-Instruct --dtype float32 "
    "--threads 2";

}  // namespace

void add_bench_command(App& app) {
  CLI::App* bench = app.cli.add_subcommand(
      "bench", "how fast this machine decodes and trains, and how fast it could");
  bench->require_subcommand(1);
  bench->footer(
      std::string(
          "Example: thoughtrank bench decode --model DIR; thoughtrank bench train --model DIR") +
      kCommonOptions);
  bench->fallthrough();
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* decode = bench->add_subcommand("decode", "62 branches of one prompt, timed");
  decode->footer(std::string(kBenchHelp) + kCommonOptions);
  decode->fallthrough();
  decode->callback(
      [&app, options] { app.work = [&app, options] { bench_decode_command(app, *options); }; });
  add_bench_options(*decode, *options);
  add_bench_train(app, *bench);
}

}  // namespace thoughtrank
