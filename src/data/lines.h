// Text files of rows: their text, cut into lines, each with its number.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

inline constexpr std::string_view kBlanks = " \t\r\n";
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

[[nodiscard]] inline bool is_blank(std::string_view text) {
  return text.find_first_not_of(kBlanks) == std::string_view::npos;
}

// "outputs.jsonl:12"
[[nodiscard]] inline std::string line_place(const std::filesystem::path& path, size_t number) {
  return fmt::format("{}:{}", path.string(), number);
}

// Gives take(line, number) each line without its "\n" or "\r\n"; numbers begin at 1.
template <class Take>
void for_each_line(std::string_view text, const Take& take) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    take(line, number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

// The file without its byte order mark. Error(kBadData) for what is no text.
[[nodiscard]] std::string read_text(const std::filesystem::path& path);

// Gives each line of JSON lines: the document, its text, its place. Empty lines are errors, except
// at the end.
using TakeLine =
    std::function<void(const Json& row, std::string_view line, const std::string& where)>;
void for_each_row(std::string_view text, const std::filesystem::path& path, const TakeLine& take);

}  // namespace thoughtrank
