#include "thoughtrank/pipeline/model_setup.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "thoughtrank/train/memory.h"

namespace thoughtrank {

ComputeSetup resolve_compute(const RunConfig& config) {
  ComputeSetup compute = resolve_compute(ComputeOptions{.device = config.device,
                                                        .dtype = config.model.dtype,
                                                        .train_dtype = config.train.dtype,
                                                        .threads = config.threads,
                                                        .instruction_set = config.instruction_set});
  if (config.generate.temperature > 0 && !at::Device(compute.device).is_cpu()) {
    fail(
        ExitCode::kConfig,
        "generate.temperature {}: tokens are drawn on the CPU only so far, this run would generate "
        "on {}. Set it to 0, or device: cpu",
        config.generate.temperature,
        compute.device);
  }
  return compute;
}

ComputeSetup resolve_compute(const RunConfig& config, const LlamaConfig& model) {
  ComputeSetup compute = resolve_compute(config);
  compute.optimizer_state = fitting_optimizer_state(
      model,
      config.train,
      {.weights = scalar_type(compute.train_dtype), .device = at::Device(compute.device)},
      memory_available(compute.device));
  return compute;
}

namespace {

// What `work` gives; its Error with the place that it is about in front.
template <class Work>
auto at_place(const std::string& place, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.code(), place + ": " + error.what());
  }
}

// Tokens that were added and never trained are often behind the model's last row, a few of them; a
// tokenizer with many belongs to another model.
void require_own_tokenizer(const ModelTexts& texts, const std::filesystem::path& model_folder) {
  const int64_t tokens = texts.tokenizer->vocabulary_size(), rows = texts.model.vocab_size;
  if (tokens <= rows + std::max<int64_t>(rows / 10, 16)) return;
  fail(ExitCode::kBadData,
       "{}: the tokenizer has {} tokens, config.json says vocab_size {}. Do both belong to this "
       "model?",
       model_folder.string(),
       tokens,
       rows);
}

// Every piece of the template has rows in the model.
void require_template_rows(const ModelTexts& texts) {
  (void)at_place(fmt::format("template '{}'", texts.chat_template.name), [&] {
    return encode_prompt(texts.chat_template, *texts.tokenizer, {.system = "a", .user = "a"});
  });
}

}  // namespace

std::vector<int64_t> ModelTexts::prompt_ids(const PromptRow& prompt,
                                            const std::vector<ChatTurn>& examples) const {
  return at_place(fmt::format("prompt '{}'", prompt.prompt_id), [&] {
    return encode_prompt(chat_template,
                         *tokenizer,
                         {.system = prompt.system, .user = prompt.prompt, .earlier = examples});
  });
}

void require_branch_rows(const BranchOptions& branches, const Tokenizer& tokenizer) {
  for (const std::string& character : expand_chars(branches.chars)) {
    (void)at_place("branches.open and branches.chars",
                   [&] { return tokenizer.encode(branches.open + character); });
  }
  (void)at_place("branches.close", [&] { return tokenizer.encode(branches.close); });
}

int64_t longest_branch(const RunConfig& config, const ModelTexts& texts, bool has_thought) {
  // The head's character may be two tokens.
  const auto tags = texts.tokenizer->encode(config.branches.open).size() +
                    texts.tokenizer->encode(config.branches.close).size() + 2;
  const int64_t thought = static_cast<int64_t>(tags) + config.generate.thought_tokens;
  return (has_thought ? thought : 0) + config.generate.answer_tokens;
}

std::string context_misfit(const RunConfig& config,
                           const ModelTexts& texts,
                           const PromptRow& prompt,
                           bool has_thought) {
  const int64_t branch = longest_branch(config, texts, has_thought);
  const int64_t length = std::ssize(prompt.token_ids);
  if (length + branch <= texts.model.max_position_embeddings) return "";
  return fmt::format(
      "it has {} tokens; with {} for thought and answer that passes the model's context of {}. "
      "Shorten it, or lower the budgets of tokens for thought or answer.",
      length,
      branch,
      texts.model.max_position_embeddings);
}

ModelTexts load_model_texts(const std::filesystem::path& model_folder,
                            const std::string& chat_template) {
  ModelTexts texts;
  texts.model = read_llama_config(model_folder);
  texts.tokenizer = load_tokenizer(model_folder);
  require_own_tokenizer(texts, model_folder);
  texts.tokenizer = limit_to_rows(std::move(texts.tokenizer), texts.model.vocab_size);
  texts.chat_template = load_template(chat_template, find_templates_dir(), model_folder);
  require_template_rows(texts);
  texts.eos_ids = texts.model.eos_ids;
  const auto stops = at_place(fmt::format("template '{}'", texts.chat_template.name),
                              [&] { return stop_ids(texts.chat_template, *texts.tokenizer); });
  texts.eos_ids.insert(texts.eos_ids.end(), stops.begin(), stops.end());
  std::sort(texts.eos_ids.begin(), texts.eos_ids.end());
  texts.eos_ids.erase(std::unique(texts.eos_ids.begin(), texts.eos_ids.end()), texts.eos_ids.end());
  return texts;
}

namespace {

double mean(const ContinuationScore& score) {
  return score.tokens == 0 ? 0.0 : score.log_probability / static_cast<double>(score.tokens);
}

// The answer as content, without eos; one that passes the model's context is scored on what fits.
// (Text can have more tokens than were generated: bytes that are no UTF-8 became U+FFFD.)
std::vector<int64_t> answer_ids(const ModelTexts& texts,
                                const PromptRow& prompt,
                                const std::string& answer) {
  auto ids = texts.tokenizer->encode(answer);
  const int64_t room =
      texts.model.max_position_embeddings - static_cast<int64_t>(prompt.token_ids.size());
  if (static_cast<int64_t>(ids.size()) > room) ids.resize(static_cast<size_t>(room));
  return ids;
}

// What an answer is conditioned on when nothing was asked.
std::vector<int64_t> empty_context(const ModelTexts& texts) {
  if (texts.model.bos_id) return {*texts.model.bos_id};
  if (const auto leading = texts.tokenizer->leading_ids(); !leading.empty()) return leading;
  if (!texts.eos_ids.empty()) return {texts.eos_ids.front()};
  fail(ExitCode::kConfig,
       "judge.kind likelihood needs a begin or end token to score an answer alone; the model has "
       "neither");
}

}  // namespace

AnswerScorer make_likelihood_scorer(const ModelTexts& texts,
                                    const std::filesystem::path& model_folder,
                                    const ComputeSetup& compute,
                                    const StopFlag& stop) {
  constexpr size_t kAtOnce = 16;  // answers between two looks at the stop flag
  // std::function must be copyable, the decoder is not: share it.
  auto decoder = std::make_shared<std::unique_ptr<Decoder>>();
  return [&texts, &stop, model_folder, compute, decoder](const PromptRow& prompt,
                                                         const std::vector<std::string>& answers) {
    if (!*decoder) *decoder = std::make_unique<Decoder>(load_decoder(model_folder, compute, {}));
    std::vector<double> scores;
    for (size_t first = 0; first < answers.size(); first += kAtOnce) {
      stop.throw_if_set();
      std::vector<std::vector<int64_t>> ids;
      for (size_t n = first; n < std::min(first + kAtOnce, answers.size()); ++n) {
        ids.push_back(answer_ids(texts, prompt, answers[n]));
      }
      const auto given_prompt = (*decoder)->score(prompt.token_ids, ids);
      const auto alone = (*decoder)->score(empty_context(texts), ids);
      for (size_t n = 0; n < ids.size(); ++n)
        scores.push_back(mean(given_prompt[n]) - 0.5 * mean(alone[n]));
    }
    return scores;
  };
}

std::optional<double> answer_loss(Decoder& decoder,
                                  const ModelTexts& texts,
                                  const PromptRow& prompt,
                                  const std::string& answer) {
  const auto ids = answer_ids(texts, prompt, answer);
  if (ids.empty()) return std::nullopt;
  return -mean(decoder.score(prompt.token_ids, {ids}).front());
}

}  // namespace thoughtrank
