// Rows in the shapes that other tools write: JSON arrays, ShareGPT, Alpaca, tables. They are not
// read; the error names the shape and the keys found, and gives the command that converts the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// Error(kBadData) where the whole text is a JSON array, an object over several lines, or a table.
void require_json_lines(std::string_view text, const std::filesystem::path& path);

// What a row without a prompt is, with the keys found: "found 'conversations', 'id': a ShareGPT
// row. Convert the file: …".
[[nodiscard]] std::string foreign_row_text(const Json& row, const std::filesystem::path& path);

// The same of a training row without prompt and completion: its command keeps every turn.
[[nodiscard]] std::string foreign_training_row_text(const Json& row,
                                                    const std::filesystem::path& path);

// The command that leaves out of each row all keys but these.
[[nodiscard]] std::string known_keys_command(const std::vector<std::string>& keys,
                                             const std::filesystem::path& path);

// "Take the first question of each conversation: …": for messages of several turns.
[[nodiscard]] std::string first_question_text(const std::filesystem::path& path);

// Error(kBadData) for a prompt file whose name is neither .jsonl nor .txt, with what can be done.
[[noreturn]] void fail_extension(const std::filesystem::path& path);

}  // namespace thoughtrank
