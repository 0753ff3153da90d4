// bench decode: the generator's speed on made-up tokens, beside the peak_rates of the machine.
#include "app/bench_machine.h"
#include "app/bench_train.h"
#include "app/decode_timing.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/decode/roofline.h"
#include "thoughtrank/kernels/device.h"
#include "thoughtrank/kernels/kv_pages.h"
#include "thoughtrank/kernels/peak_rates.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

namespace {

struct BenchOptions {
  std::string model;
  std::string dtype = "auto";
  DecodeWorkload work;
  std::optional<int64_t> threads;
  std::optional<int64_t> slots;
  std::string device = "cpu";
  bool is_eager = false;
  std::vector<std::string> without;
};

ComputeSetup machine_of(const BenchOptions& options) {
  RunConfig config;
  config.device = options.device;
  config.model.dtype = options.dtype;
  config.threads = options.threads;
  return resolve_compute(config);
}

// Weights and KV as they must be held, the decoder's own overheads not counted.
Json sizes(const LlamaConfig& model, const BenchOptions& options, bool is_bfloat16) {
  const KvShape kv = {.layers = model.num_hidden_layers,
                      .kv_heads = model.num_key_value_heads,
                      .head_dim = model.head_dim,
                      .dtype = is_bfloat16 ? at::kBFloat16 : at::kFloat};
  const DecodeWorkload& work = options.work;
  const int64_t prompts = work.copies_prefix ? work.branches : 1;
  const int64_t kv_tokens = prompts * work.prompt_tokens + work.branches * (1 + work.new_tokens);
  return {{"weights_bytes", count_parameters(model) * (is_bfloat16 ? 2 : 4)},
          {"kv_bytes", kv_tokens * kv_bytes_per_token(kv)}};
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
  const at::Device device(compute.device);
  const PeakRates peak_rates =
      device.is_cpu() ? measure_peak_rates(compute.threads) : measure_device_peak_rates(device);
  const bool is_bfloat16 = compute.dtype == "bfloat16";
  const DecodeRoofline roofline =
      decode_roofline(model,
                      {.prompt_tokens = options.work.prompt_tokens,
                       .new_tokens = options.work.new_tokens,
                       .branches = options.work.branches,
                       .bytes_per_element = is_bfloat16 ? 2 : 4},
                      {.flops_per_s = is_bfloat16 ? peak_rates.bfloat16_flops_per_s
                                                  : peak_rates.float32_flops_per_s,
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
  report.update(sizes(model, options, compute.dtype == "bfloat16"));
  report.update({{"prompt_tokens", options.work.prompt_tokens},
                 {"new_tokens", options.work.new_tokens},
                 {"branches", options.work.branches},
                 {"slots", slots},
                 {"prefix", options.work.copies_prefix ? "copied" : "shared"},
                 {"without", options.without},
                 {"dtype", compute.dtype},
                 {"threads", compute.threads},
                 {"device", compute.device},
                 {"cpu", cpu_name()},
                 {"instruction_set", instruction_set_name()}});
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
  command.add_option("--dtype", options.dtype, "auto, float32 or bfloat16")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}))
      ->capture_default_str();
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

}  // namespace

void add_bench_command(App& app) {
  CLI::App* bench = app.cli.add_subcommand(
      "bench", "how fast this machine decodes and trains, and how fast it could");
  bench->require_subcommand(1);
  bench->footer(command_footer("bench"));
  bench->fallthrough();
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* decode = bench->add_subcommand("decode", "62 branches of one prompt, timed");
  decode->footer(command_footer("bench decode"));
  decode->fallthrough();
  decode->callback(
      [&app, options] { app.work = [&app, options] { bench_decode_command(app, *options); }; });
  add_bench_options(*decode, *options);
  add_bench_train(app, *bench);
}

}  // namespace thoughtrank
