// The files of configs/templates, and the chat template that a model folder brings.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "thoughtrank/text/chat_template.h"

namespace thoughtrank {

// The template as the file states it: %bos% and %eos% still stand for the model's own begin and end
// token.
[[nodiscard]] ChatTemplate read_template_file(const std::filesystem::path& file);

// Puts the model's begin and end token in place of %bos% and %eos%, then checks the template.
[[nodiscard]] ChatTemplate resolve_template(ChatTemplate chat_template,
                                            const std::filesystem::path& model_folder);
// Does the template hold %bos% or %eos%?
[[nodiscard]] bool needs_model(const ChatTemplate& chat_template);

// The Jinja text of a model folder: chat_template.jinja, chat_template.json or
// tokenizer_config.json.
[[nodiscard]] std::optional<std::string> find_model_jinja(
    const std::filesystem::path& model_folder);

}  // namespace thoughtrank
