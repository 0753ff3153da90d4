// One row of a prompt file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "thoughtrank/data/records.h"

namespace thoughtrank {

// A row of JSON lines and where it stands.
struct PromptLine {
  const Json& json;
  std::string_view text;
  const std::string& where;
  const std::filesystem::path& path;
};

// Is true when the row has the key and its value is not null: exported data sets write null for
// absent values.
[[nodiscard]] bool is_given(const Json& row, const char* key);

// The text of a message of a conversation. Error(kBadData) for one that is a list of parts.
[[nodiscard]] std::string message_text(const Json& message, const std::string& place);

// The prompt of a row; its id is "" where the row names none. Error(kBadData).
[[nodiscard]] PromptRow prompt_from_line(const PromptLine& line);

}  // namespace thoughtrank
