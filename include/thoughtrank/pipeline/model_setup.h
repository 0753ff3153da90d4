// What every stage needs from a model folder: the machine it runs on, its tokenizer and template, a
// decoder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/decode/decoder.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/config.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/text/chat_template.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// What the config asks for, resolved against this machine. Error(kConfig) when the device is not
// there or not supported.
[[nodiscard]] ComputeSetup resolve_compute(const RunConfig& config);
// The same with the optimizer's state chosen in the memory that the device has left.
[[nodiscard]] ComputeSetup resolve_compute(const RunConfig& config, const LlamaConfig& model);

// Tokens and template of a model folder.
struct ModelTexts {
  LlamaConfig model;
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat_template;
  std::vector<int64_t> eos_ids;  // the model's and the template's, sorted

  // `examples` are shown before the prompt, as earlier turns.
  [[nodiscard]] std::vector<int64_t> prompt_ids(const PromptRow& prompt,
                                                const std::vector<ChatTurn>& examples = {}) const;
};
[[nodiscard]] ModelTexts load_model_texts(const std::filesystem::path& model_folder,
                                          const std::string& chat_template);

// Error(kBadData) where a head of a branch or its close tag needs a token that the model has no row
// for: known before anything is generated.
void require_branch_rows(const BranchOptions& branches, const Tokenizer& tokenizer);

// Returns the tokens of a branch at its longest: tags, head, thought and answer.
[[nodiscard]] int64_t longest_branch(const RunConfig& config,
                                     const ModelTexts& texts,
                                     bool has_thought = true);

// Why a prompt, which carries token_ids, does not fit the model's context beside a branch at its
// longest; "" when it fits.
[[nodiscard]] std::string context_misfit(const RunConfig& config,
                                         const ModelTexts& texts,
                                         const PromptRow& prompt,
                                         bool has_thought = true);

// mean log p(answer | prompt) − ½ · mean log p(answer | bos): the scorer of judge.kind likelihood.
// The decoder is loaded from `model_folder` at the first use and lives as long as the
// scorer; it looks at `stop` every few answers.
[[nodiscard]] AnswerScorer make_likelihood_scorer(const ModelTexts& texts,
                                                  const std::filesystem::path& model_folder,
                                                  const ComputeSetup& compute,
                                                  const StopFlag& stop);

// −mean log p of `answer` after the prompt, which carries token_ids; nullopt for an empty answer.
[[nodiscard]] std::optional<double> answer_loss(Decoder& decoder,
                                                const ModelTexts& texts,
                                                const PromptRow& prompt,
                                                const std::string& answer);

}  // namespace thoughtrank
