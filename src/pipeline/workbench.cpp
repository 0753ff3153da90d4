#include "thoughtrank/pipeline/workbench.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <thread>

#include "thoughtrank/decode/floor.h"
#include "thoughtrank/model/device.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

namespace {

at::ScalarType scalar_type(const std::string& dtype) {
  return dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

}  // namespace

bool has_fast_bfloat16() { return __builtin_cpu_supports("avx512bf16") != 0; }

Machine resolve_machine(const RunConfig& config) {
  Machine machine;
  machine.device = resolve_device(config.device);
  const bool is_gpu = machine.device != "cpu";
  const std::string fastest = is_gpu || has_fast_bfloat16() ? "bfloat16" : "float32";
  machine.dtype = config.model.dtype == "auto" ? fastest : config.model.dtype;
  machine.train_dtype = config.train.dtype == "auto" ? machine.dtype : config.train.dtype;
  machine.threads = config.threads.value_or(std::max(1u, std::thread::hardware_concurrency()));
  return machine;
}

void use_machine(const Machine& machine) {
  require_device(machine.device);
  at::set_num_threads(static_cast<int>(machine.threads));
}

std::vector<int64_t> TextKit::prompt_ids(const PromptRow& prompt) const {
  return encode_prompt(chat_template, *tokenizer, {.system = prompt.system, .user = prompt.prompt});
}

std::string context_misfit(const RunConfig& config,
                           const TextKit& kit,
                           const PromptRow& prompt,
                           bool has_thought) {
  // The head's character may be two tokens.
  const auto tags = kit.tokenizer->encode(config.branches.open).size() +
                    kit.tokenizer->encode(config.branches.close).size() + 2;
  const int64_t thought = static_cast<int64_t>(tags) + config.generate.thought_tokens;
  const int64_t branch = (has_thought ? thought : 0) + config.generate.answer_tokens;
  const int64_t length = std::ssize(prompt.token_ids);
  if (length + branch <= kit.model.max_position_embeddings) return "";
  return fmt::format(
      "it has {} tokens; with {} for thought and answer that passes the model's context of {}. "
      "Shorten it, or lower the budgets of tokens for thought or answer.",
      length,
      branch,
      kit.model.max_position_embeddings);
}

TextKit load_text_kit(const std::filesystem::path& model_folder, const std::string& chat_template) {
  TextKit kit;
  kit.model = read_llama_config(model_folder);
  kit.tokenizer = load_tokenizer(model_folder);
  if (kit.tokenizer->vocabulary_size() > kit.model.vocab_size) {
    fail(ExitCode::kBadData,
         "{}: the tokenizer has {} tokens, config.json says vocab_size {}. Do both belong to this "
         "model?",
         model_folder.string(),
         kit.tokenizer->vocabulary_size(),
         kit.model.vocab_size);
  }
  kit.chat_template = load_template(chat_template, find_templates_dir(), model_folder);
  kit.eos_ids = kit.model.eos_ids;
  for (const int64_t id : stop_ids(kit.chat_template, *kit.tokenizer)) kit.eos_ids.push_back(id);
  std::sort(kit.eos_ids.begin(), kit.eos_ids.end());
  kit.eos_ids.erase(std::unique(kit.eos_ids.begin(), kit.eos_ids.end()), kit.eos_ids.end());
  return kit;
}

Decoder load_decoder(const std::filesystem::path& model_folder,
                     const Machine& machine,
                     DecodeOptions options) {
  const int64_t bytes_each = machine.dtype == "bfloat16" ? 2 : 4;
  const int64_t parameters = count_parameters(read_llama_config(model_folder));
  require_device(machine.device, static_cast<uint64_t>(parameters * bytes_each));
  Llama model = load_llama(model_folder, scalar_type(machine.dtype), at::Device(machine.device));
  options.threads = machine.threads;
  return Decoder(std::move(model), options);
}

namespace {

double mean(const ContinuationScore& score) {
  return score.tokens == 0 ? 0.0 : score.log_probability / static_cast<double>(score.tokens);
}

// The answer as content, without eos; one that passes the model's context is scored on what fits.
// (Text can have more tokens than were generated: bytes that are no UTF-8 became U+FFFD.)
std::vector<int64_t> answer_ids(const TextKit& kit,
                                const PromptRow& prompt,
                                const std::string& answer) {
  auto ids = kit.tokenizer->encode(answer);
  const int64_t room =
      kit.model.max_position_embeddings - static_cast<int64_t>(prompt.token_ids.size());
  if (static_cast<int64_t>(ids.size()) > room) ids.resize(static_cast<size_t>(room));
  return ids;
}

// What an answer is conditioned on when nothing was asked.
std::vector<int64_t> empty_context(const TextKit& kit) {
  if (kit.model.bos_id) return {*kit.model.bos_id};
  if (const auto leading = kit.tokenizer->leading_ids(); !leading.empty()) return leading;
  if (!kit.eos_ids.empty()) return {kit.eos_ids.front()};
  fail(ExitCode::kConfig,
       "judge.kind likelihood needs a begin or end token to score an answer alone; the model has "
       "neither");
}

}  // namespace

AnswerScorer make_likelihood_scorer(const TextKit& kit,
                                    const std::filesystem::path& model_folder,
                                    const Machine& machine,
                                    const StopFlag& stop) {
  constexpr size_t kAtOnce = 16;  // answers between two looks at the stop flag
  // std::function must be copyable, the decoder is not: share it.
  auto decoder = std::make_shared<std::unique_ptr<Decoder>>();
  return [&kit, &stop, model_folder, machine, decoder](const PromptRow& prompt,
                                                       const std::vector<std::string>& answers) {
    if (!*decoder) *decoder = std::make_unique<Decoder>(load_decoder(model_folder, machine, {}));
    std::vector<double> scores;
    for (size_t first = 0; first < answers.size(); first += kAtOnce) {
      stop.throw_if_set();
      std::vector<std::vector<int64_t>> ids;
      for (size_t n = first; n < std::min(first + kAtOnce, answers.size()); ++n) {
        ids.push_back(answer_ids(kit, prompt, answers[n]));
      }
      const auto given_prompt = (*decoder)->score(prompt.token_ids, ids);
      const auto alone = (*decoder)->score(empty_context(kit), ids);
      for (size_t n = 0; n < ids.size(); ++n)
        scores.push_back(mean(given_prompt[n]) - 0.5 * mean(alone[n]));
    }
    return scores;
  };
}

std::optional<double> answer_loss(Decoder& decoder,
                                  const TextKit& kit,
                                  const PromptRow& prompt,
                                  const std::string& answer) {
  const auto ids = answer_ids(kit, prompt, answer);
  if (ids.empty()) return std::nullopt;
  return -mean(decoder.score(prompt.token_ids, {ids}).front());
}

}  // namespace thoughtrank
