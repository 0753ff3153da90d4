#include "thoughtrank/pipeline/verify.h"

#include <algorithm>
#include <thread>

#include "pipeline/session.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/pipeline/workbench.h"

namespace thoughtrank {

namespace {

std::vector<PromptRow> first_prompts(const RunConfig& config, const TextKit& kit, int64_t count) {
  std::vector<PromptRow> prompts = load_prompts(config, kit).rounds.front();
  prompts.resize(std::min(prompts.size(), static_cast<size_t>(count)));
  return prompts;
}

// 1, 2 and all of this machine's, beside those of the config.
std::vector<int64_t> other_threads() {
  std::vector<int64_t> threads{1, 2};
  const int64_t all = std::thread::hardware_concurrency();
  if (all > 2) threads.push_back(all);
  return threads;
}

VerifyOptions make_options(const RunConfig& config, const Machine& machine, int64_t new_tokens) {
  return {.reference = {.slots = config.generate.slots, .threads = machine.threads},
          .other_threads = other_threads(),
          .new_tokens = new_tokens,
          .is_float32 = machine.dtype == "float32",
          .seed = static_cast<uint64_t>(config.seed)};
}

MakeDecoder decoder_maker(const RunConfig& config, Machine machine) {
  return [&config, machine](const DecoderSetup& setup) mutable {
    machine.threads = setup.threads;
    use_machine(machine);
    return load_decoder(config.model.path, machine, {.slots = setup.slots});
  };
}

VerifyNames make_names(const RunConfig& config,
                       const Machine& machine,
                       const std::vector<PromptRow>& prompts) {
  VerifyNames names{
      .dtype = machine.dtype, .prompts = {}, .chars = expand_chars(config.branches.chars)};
  for (const PromptRow& prompt : prompts) names.prompts.push_back(prompt.prompt_id);
  return names;
}

}  // namespace

bool verify_generation(const RunConfig& config,
                       const VerifyRequest& request,
                       const VerifyWatch& watch) {
  const TextKit kit = load_text_kit(config.model.path, config.chat_template);
  const Machine machine = resolve_machine(config);
  const auto prompts = first_prompts(config, kit, request.prompts);
  const VerifyNames names = make_names(config, machine, prompts);
  const auto groups = verify_groups({.tokenizer = *kit.tokenizer,
                                     .branches = config.branches,
                                     .generate = config.generate,
                                     .eos_ids = kit.eos_ids,
                                     .model_sha256 = "",
                                     .round = 0},
                                    kit.model.vocab_size,
                                    prompts);
  Progress progress(
      {.stage = "verify", .unit = "branches", .total = 0, .already_done = 0, .rate_unit = "tok"},
      watch.clock);
  return verify_decoding({.groups = groups,
                          .make_decoder = decoder_maker(config, machine),
                          .options = make_options(config, machine, request.new_tokens),
                          .take = [&](const VariantResult& result) { watch.take(names, result); },
                          .stop = watch.stop,
                          .progress = progress});
}

}  // namespace thoughtrank
