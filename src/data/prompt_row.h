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

// The prompt of a row; its id is "" where the row names none. Error(kBadData).
[[nodiscard]] PromptRow prompt_from_line(const PromptLine& line);

}  // namespace thoughtrank
