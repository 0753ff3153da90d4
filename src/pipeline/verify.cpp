#include "thoughtrank/pipeline/verify.h"

#include <algorithm>

#include "pipeline/session.h"
#include "pipeline/shown_prompts.h"
#include "thoughtrank/core/processors.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

namespace {

std::vector<PromptRow> first_prompts(const RunConfig& config,
                                     const ModelTexts& texts,
                                     int64_t count) {
  std::vector<PromptRow> prompts =
      shown_prompts(config, texts, load_prompts(config, texts), /*round=*/1);
  prompts.resize(std::min(prompts.size(), static_cast<size_t>(count)));
  return prompts;
}

// 1, 2 and all that the process may use, beside those of the config.
std::vector<int64_t> other_threads() {
  std::vector<int64_t> threads{1, 2};
  const int64_t all = usable_processors();
  if (all > 2) threads.push_back(all);
  return threads;
}

VerifyOptions make_options(const RunConfig& config,
                           const ComputeSetup& compute,
                           int64_t new_tokens) {
  return {.reference = {.slots = config.generate.slots, .threads = compute.threads},
          .other_threads = other_threads(),
          .new_tokens = new_tokens,
          .is_float32 = compute.dtype == Dtype::float32,
          .seed = static_cast<uint64_t>(config.seed)};
}

MakeDecoder decoder_maker(const RunConfig& config, ComputeSetup compute) {
  return [&config, compute](const DecoderSetup& setup) mutable {
    compute.threads = setup.threads;
    use_compute(compute);
    return load_decoder(config.model.path, compute, {.slots = setup.slots});
  };
}

VerifyNames make_names(const RunConfig& config,
                       const ComputeSetup& compute,
                       const std::vector<PromptRow>& prompts) {
  VerifyNames names{.dtype = word_of(compute.dtype), .prompts = {}, .chars = {}};
  for (const std::string& character : expand_chars(config.branches.chars)) {
    names.chars.insert(
        names.chars.end(), static_cast<size_t>(config.branches.samples_per_char), character);
  }
  for (const PromptRow& prompt : prompts) names.prompts.push_back(prompt.prompt_id);
  return names;
}

}  // namespace

bool verify_generation(const RunConfig& config,
                       const VerifyRequest& request,
                       const VerifyWatch& watch) {
  const ModelTexts texts = load_model_texts(config.model.path, config.chat_template);
  const ComputeSetup compute = resolve_compute(config);
  const auto prompts = first_prompts(config, texts, request.prompts);
  const VerifyNames names = make_names(config, compute, prompts);
  const auto groups = verify_groups({.tokenizer = *texts.tokenizer,
                                     .branches = config.branches,
                                     .generate = config.generate,
                                     .eos_ids = texts.eos_ids,
                                     .model_sha256 = "",
                                     .round = 0,
                                     .seed = config.seed},
                                    texts.model.vocab_size,
                                    prompts);
  Progress progress(
      {.stage = "verify", .unit = "branches", .total = 0, .already_done = 0, .rate_unit = "tok"},
      watch.clock);
  return verify_decoding({.groups = groups,
                          .make_decoder = decoder_maker(config, compute),
                          .options = make_options(config, compute, request.new_tokens),
                          .take = [&](const VariantResult& result) { watch.take(names, result); },
                          .stop = watch.stop,
                          .progress = progress});
}

}  // namespace thoughtrank
