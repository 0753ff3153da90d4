// What a checkpoint holds besides its weights, made from the base folder's files so that
// transformers renders, encodes and stops as in training.
#pragma once

#include <filesystem>
#include <vector>

#include "thoughtrank/core/files.h"
#include "thoughtrank/train/checkpoint.h"

namespace thoughtrank {

// Writes into `folder`, durably:
//   config.json               the base's, with the dtype of the exported weights
//   generation_config.json    the base's (or a new one); ends at the model's and the template's eos
//   tokenizer files           the base's; tokenizer_config.json with the template and its first
//   stop
//                             token as eos
//   chat_template.jinja       the template's
//   README.md                 the model card
//   LICENSE, NOTICE, …        for Llama derivatives and where the base has them
[[nodiscard]] std::vector<ManifestEntry> write_checkpoint_files(const std::filesystem::path& folder,
                                                                const CheckpointSetup& setup,
                                                                const LlamaConfig& config);

// Is true for files that are for people: the model card, licences and notices. Nothing reads them.
[[nodiscard]] bool is_document(const std::string& name);

// The model card: YAML front matter, then the facts of setup.card as a table.
[[nodiscard]] std::string model_card(const CheckpointSetup& setup);

}  // namespace thoughtrank
