// bench decode: the generator's speed on made-up tokens, beside the ceilings of the machine.
#include "app/bench_machine.h"
#include "app/bench_train.h"
#include "app/command.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/decode/floor.h"
#include "thoughtrank/kernels/ceilings.h"
#include "thoughtrank/kernels/kv_pages.h"
#include "thoughtrank/pipeline/workbench.h"

namespace thoughtrank {

namespace {

struct BenchOptions {
  std::string model;
  std::string dtype = "auto";
  int64_t prompt_tokens = 512;
  int64_t new_tokens = 128;
  int64_t branches = 62;
  std::optional<int64_t> threads;
  std::optional<int64_t> slots;
  std::string device = "cpu";
  bool is_eager = false;
};

// Stops after a number of tokens; an end of text is a token like any other.
class CountRule : public BranchRule {
 public:
  explicit CountRule(int64_t tokens) : left_(tokens) {}
  BranchStep on_token(const TokenChoice&) override {
    return {.kind = --left_ > 0 ? BranchStep::Kind::go_on : BranchStep::Kind::stop,
            .drops_token = false,
            .forced = {}};
  }

 private:
  int64_t left_;
};

class OneGroup : public GroupSource {
 public:
  explicit OneGroup(BranchGroup group) : group_(std::move(group)) {}
  std::optional<BranchGroup> next() override { return std::exchange(group_, std::nullopt); }

 private:
  std::optional<BranchGroup> group_;
};

// Counts, and notes when the first step was done.
class Stopwatch : public BranchSink {
 public:
  explicit Stopwatch(const Clock& clock, Progress* progress)
      : clock_(clock), progress_(progress), started_s_(clock.now_s()) {}

  void finished(FinishedBranch branch) override {
    if (!branch.error.empty()) {
      fail(ExitCode::kBadData, "branch {} failed: {}", branch.branch, branch.error);
    }
    if (progress_ != nullptr) progress_->advance(1, 0);
  }

  void stepped(int64_t tokens) override {
    if (tokens > 0 && !first_step_s_) first_step_s_ = seconds();
    tokens_ += tokens;
    if (progress_ != nullptr) progress_->advance(0, tokens);
  }

  [[nodiscard]] double seconds() const { return clock_.now_s() - started_s_; }
  [[nodiscard]] double first_step_s() const { return first_step_s_.value_or(0); }
  [[nodiscard]] int64_t tokens() const { return tokens_; }

 private:
  const Clock& clock_;
  Progress* progress_;
  double started_s_;
  std::optional<double> first_step_s_;
  int64_t tokens_ = 0;
};

struct Timing {
  double prefill_s = 0;
  double decode_s = 0;
};

std::vector<int64_t> random_ids(RandomStream& random, int64_t count, int64_t vocabulary) {
  std::vector<int64_t> ids;
  for (int64_t n = 0; n < count; ++n) {
    ids.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(vocabulary))));
  }
  return ids;
}

// The same ids at every call.
BranchGroup make_group(const BenchOptions& options, int64_t vocabulary) {
  RandomStream random(/*seed=*/1, "bench decode");
  BranchGroup group;
  group.shared_ids = random_ids(random, options.prompt_tokens, vocabulary);
  for (int64_t branch = 0; branch < options.branches; ++branch) {
    BranchStart start;
    start.branch = branch;
    start.head_ids = random_ids(random, 1, vocabulary);
    start.max_tokens = 1 + options.new_tokens;
    start.rule = std::make_unique<CountRule>(options.new_tokens);
    group.branches.push_back(std::move(start));
  }
  return group;
}

Timing time_group(App& app, Decoder& decoder, const BenchOptions& options, const char* stage) {
  Progress progress({.stage = stage,
                     .unit = "branches",
                     .total = options.branches,
                     .already_done = 0,
                     .rate_unit = "tok"},
                    app.clock);
  OneGroup group(make_group(options, decoder.config().vocab_size));
  Stopwatch stopwatch(app.clock, &progress);
  decoder.run(group, stopwatch, app.stop);
  const double wall_s = stopwatch.seconds();
  progress.finish();
  if (stopwatch.tokens() != options.branches * options.new_tokens) {
    fail(ExitCode::kInternal,
         "the decoder made {} tokens, {} branches of {} were asked for",
         stopwatch.tokens(),
         options.branches,
         options.new_tokens);
  }
  return {.prefill_s = stopwatch.first_step_s(), .decode_s = wall_s - stopwatch.first_step_s()};
}

// As in a long run, where a group finds the memory for its keys and values as one before left it.
Timing time_decoding(App& app, Decoder& decoder, const BenchOptions& options) {
  time_group(app, decoder, options, "bench decode: warm-up");
  return time_group(app, decoder, options, "bench decode");
}

Machine machine_of(const BenchOptions& options) {
  RunConfig config;
  config.device = "cpu";
  config.model.dtype = options.dtype;
  config.threads = options.threads;
  Machine machine = resolve_machine(config);
  if (options.device == "cuda") {
    require_cuda();
    machine.device = "cuda:0";
    if (options.dtype == "auto") machine.dtype = "bfloat16";
  }
  return machine;
}

// Weights and KV as they must be held, the decoder's own overheads not counted.
Json sizes(const LlamaConfig& model, const BenchOptions& options, bool is_bfloat16) {
  const KvShape kv = {.layers = model.num_hidden_layers,
                      .kv_heads = model.num_key_value_heads,
                      .head_dim = model.head_dim,
                      .dtype = is_bfloat16 ? at::kBFloat16 : at::kFloat};
  const int64_t kv_tokens = options.prompt_tokens + options.branches * (1 + options.new_tokens);
  return {{"weights_bytes", count_parameters(model) * (is_bfloat16 ? 2 : 4)},
          {"kv_bytes", kv_tokens * kv_bytes_per_token(kv)}};
}

double tokens_per_s(const Timing& timing, const BenchOptions& options) {
  return static_cast<double>(options.branches * options.new_tokens) /
         (timing.prefill_s + timing.decode_s);
}

// What the CPU could do at most, beside what it did; a GPU's ceilings are measured elsewhere: null.
Json floors(const LlamaConfig& model,
            const Machine& machine,
            const BenchOptions& options,
            double rate) {
  if (machine.device != "cpu") {
    return {{"floor_tokens_per_s", nullptr}, {"floor_share", nullptr}, {"ceilings", nullptr}};
  }
  const Ceilings ceilings = measure_ceilings(machine.threads);
  const bool is_bfloat16 = machine.dtype == "bfloat16";
  const DecodeFloor floor = decode_floor(
      model,
      {.prompt_tokens = options.prompt_tokens,
       .new_tokens = options.new_tokens,
       .branches = options.branches,
       .bytes_per_element = is_bfloat16 ? 2 : 4},
      {.flops_per_s = is_bfloat16 ? ceilings.bfloat16_flops_per_s : ceilings.float32_flops_per_s,
       .read_bytes_per_s = ceilings.read_bytes_per_s});
  return {{"floor_tokens_per_s", floor.tokens_per_s},
          {"floor_share", rate / floor.tokens_per_s},
          {"ceilings", in_billions(ceilings)}};
}

void bench_decode_command(App& app, const BenchOptions& options) {
  const int64_t empty_bytes = resident_bytes();
  const Machine machine = machine_of(options);
  use_machine(machine);
  GenerateOptions generate;
  generate.slots = options.slots;
  auto decoder = std::make_unique<Decoder>(
      load_decoder(options.model, machine, generate, /*records_steps=*/!options.is_eager));
  const LlamaConfig model = decoder->config();
  const int64_t slots = decoder->slots();
  const Timing timing = time_decoding(app, *decoder, options);
  const int64_t peak_bytes = peak_resident_bytes();  // before the ceilings' own buffers
  decoder.reset();

  const double rate = tokens_per_s(timing, options);
  Json report = {
      {"tokens_per_s", rate}, {"prefill_s", timing.prefill_s}, {"decode_s", timing.decode_s}};
  report.update(floors(model, machine, options, rate));
  report.update({{"peak_rss_bytes", peak_bytes}, {"empty_rss_bytes", empty_bytes}});
  report.update(sizes(model, options, machine.dtype == "bfloat16"));
  report.update({{"prompt_tokens", options.prompt_tokens},
                 {"new_tokens", options.new_tokens},
                 {"branches", options.branches},
                 {"slots", slots},
                 {"dtype", machine.dtype},
                 {"threads", machine.threads},
                 {"device", machine.device},
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
  command.add_option("--prompt-tokens", options.prompt_tokens, "tokens that the branches share")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--new-tokens", options.new_tokens, "tokens that each branch generates")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--branches", options.branches, "branches of the one prompt")
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
    "  floor_tokens_per_s  what the ceilings allow: each phase takes the longer of its bytes and "
    "its operations\n"
    "  floor_share         tokens_per_s / floor_tokens_per_s\n"
    "  peak_rss_bytes, empty_rss_bytes  of the process at its largest, and before the model was "
    "loaded\n"
    "  weights_bytes, kv_bytes          what must be held: all weights once; prompt once, branches "
    "at full length\n"
    "  prompt_tokens, new_tokens, branches, slots, dtype, threads, device, cpu, instruction_set\n"
    "  ceilings            float32_gflops, bfloat16_gflops, read_gb_per_s: measured after the run, "
    "at these threads\n"
    "                      (on cuda null, as the two floors)\n"
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
