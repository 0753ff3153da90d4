// The two kinds of tokenizer files.
#pragma once

#include <filesystem>
#include <memory>

#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// Hugging Face's tokenizer.json.
[[nodiscard]] std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file);
// sentencepiece's tokenizer.model, with added_tokens.json and tokenizer_config.json beside it.
[[nodiscard]] std::unique_ptr<Tokenizer> load_tokenizer_model(const std::filesystem::path& file);

}  // namespace thoughtrank
