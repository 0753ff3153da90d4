// sample and ask: a model by hand, without a run.
#include <cstdio>
#include <iostream>

#include "app/command.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/generate/generate.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

void add_tokenize_command(App& app);

namespace {

struct ModelCommandOptions {
  std::string model;
  std::string prompt;
  std::string system;
  std::string chat_template = "auto";
  HeadMode mode = HeadMode::literal;
  std::optional<Dtype> dtype;
  int64_t thought_tokens = 128;
  int64_t answer_tokens = 512;
  bool has_no_thought = false;
};

// The parts that `sample` and `ask` share: a loaded model and the encoded prompt.
struct LoadedModel {
  explicit LoadedModel(const ModelCommandOptions& options)
      : config(config_of(options)),
        compute(resolve_compute(config)),
        texts(load_model_texts(options.model, options.chat_template)) {
    use_compute(compute);
    PromptRow prompt;
    prompt.prompt_id = "prompt";
    prompt.prompt = options.prompt;
    prompt.system = options.system;
    prompt.token_ids = texts.prompt_ids(prompt);
    prompts = {prompt};
    const std::string misfit = context_misfit(config, texts, prompt, !options.has_no_thought);
    if (!misfit.empty()) fail(ExitCode::kBadData, "the prompt does not fit: {}", misfit);
    decoder = std::make_unique<Decoder>(
        load_decoder(options.model, compute, {.slots = config.generate.slots}));
    generator = std::make_unique<Generator>(*decoder,
                                            Generator::Setup{.tokenizer = *texts.tokenizer,
                                                             .branches = config.branches,
                                                             .generate = config.generate,
                                                             .eos_ids = texts.eos_ids,
                                                             .model_sha256 = "",
                                                             .round = 0,
                                                             .seed = config.seed});
  }

  static RunConfig config_of(const ModelCommandOptions& options) {
    RunConfig config;
    config.model.path = options.model;
    config.model.dtype = options.dtype;
    config.branches.mode = options.mode;
    config.generate.thought_tokens = options.thought_tokens;
    config.generate.answer_tokens = options.answer_tokens;
    return config;
  }

  RunConfig config;
  ComputeSetup compute;
  ModelTexts texts;
  std::vector<PromptRow> prompts;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Generator> generator;
};

std::string dim(const std::string& text) {
  return stdout_is_terminal() ? "\033[2m" + text + "\033[0m" : text;
}

void print_branch(const OutputRow& row) {
  const std::string head = row.char_.empty() ? "" : fmt::format("[{}] ", row.char_);
  const std::string thought =
      row.thought.empty() ? "" : dim("(" + printable(row.thought) + ")") + "\n    ";
  const std::string end = row.finish == Finish::error ? " (broke: see the warning)" : "";
  print(fmt::format("{}{}{}{}\n", head, thought, printable(row.answer), end));
}

void sample_command(App& app, const ModelCommandOptions& options) {
  const LoadedModel loaded(options);
  Progress progress({.stage = "sample",
                     .unit = "branches",
                     .total = loaded.generator->branch_count(),
                     .already_done = 0,
                     .rate_unit = "tok"},
                    app.clock);
  loaded.generator->generate_branches(
      loaded.prompts,
      [](size_t, int64_t) { return false; },
      [](size_t, const OutputRow& row) { print_branch(row); },
      app.stop,
      progress);
}

void ask_command(App& app, const ModelCommandOptions& options) {
  const LoadedModel loaded(options);
  Progress progress(
      {.stage = "ask", .unit = "answers", .total = 1, .already_done = 0, .rate_unit = "tok"},
      app.clock);
  loaded.generator->generate_greedy(
      loaded.prompts,
      /*with_thought=*/!options.has_no_thought,
      [](size_t) { return false; },
      [](size_t, const OutputRow& row) {
        if (!row.thought.empty()) print(dim("(" + printable(row.thought) + ")") + "\n");
        print(printable(row.answer) + "\n");
        if (row.finish == Finish::error)
          fail(ExitCode::kBadData, "the answer broke off: see the warning");
      },
      app.stop,
      progress);
}

void add_model_options(CLI::App& command, ModelCommandOptions& options) {
  command
      .add_option("--model", options.model, "Hugging Face folder, for example a round's checkpoint")
      ->type_name("DIR")
      ->required();
  command.add_option("PROMPT", options.prompt, "the question")->required();
  command.add_option("--system", options.system, "system message");
  command
      .add_option(
          "--template", options.chat_template, "auto, a name in configs/templates, or a path")
      ->type_name("NAME|FILE");
  add_choice(command, "--dtype", options.dtype, kComputeDtypes, "auto, float32 or bfloat16");
  command
      .add_option("--thought-tokens", options.thought_tokens, "at most this many tokens of thought")
      ->check(CLI::Range(0, 1'000'000));
  command
      .add_option("--answer-tokens", options.answer_tokens, "at most this many tokens of answer")
      ->check(CLI::Range(1, 1'000'000));
}

}  // namespace

void add_model_commands(App& app) {
  const auto sample_options = std::make_shared<ModelCommandOptions>();
  CLI::App* sample = add_command<ModelCommandOptions>(
      app,
      "sample",
      "the 62 thoughts and answers of one prompt, each as it is finished",
      sample_command,
      sample_options);
  add_model_options(*sample, *sample_options);
  add_choice(*sample,
             "--mode",
             sample_options->mode,
             kHeadModes,
             "literal, token or constrained (see branches.mode)");

  const auto ask_options = std::make_shared<ModelCommandOptions>();
  CLI::App* ask = add_command<ModelCommandOptions>(
      app,
      "ask",
      "one greedy answer, thought included, as a user of the checkpoint gets it",
      ask_command,
      ask_options);
  add_model_options(*ask, *ask_options);
  ask->add_flag("--no-thought", ask_options->has_no_thought, "answer directly");
  add_tokenize_command(app);
}

}  // namespace thoughtrank
