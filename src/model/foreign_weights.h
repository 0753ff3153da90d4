// Weights as other tools leave them: pickles, GGUF, adapters, names with a wrapper's prefix. They
// are not read; the error says what they are and gives the command that converts them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {

// Error(kMissingInput) for a folder without config.json or without safetensors: says what lies
// there instead.
[[noreturn]] void fail_without_config(const std::filesystem::path& folder);
[[noreturn]] void fail_without_safetensors(const std::filesystem::path& folder);

// Error(kBadData) where `first_bytes` of the file are those of something else that is known.
void refuse_foreign_weights(const std::filesystem::path& file, std::string_view first_bytes);

// What the names of the tensors tell where they are not a Llama's: "" for nothing known.
[[nodiscard]] std::string foreign_names_text(const std::map<std::string, TensorInfo>& tensors);

}  // namespace thoughtrank
