#include "app/texts.h"

#include <spdlog/fmt/fmt.h>

#include <sstream>
#include <stdexcept>

namespace thoughtrank {

std::string find_text(const std::string& name) {
  for (const Text& text : texts()) {
    if (text.name == name) return std::string(text.text);
  }
  throw std::out_of_range(fmt::format("there is no text '{}' in src/app", name));
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string fill_in(const std::string& text,
                    const std::vector<std::pair<std::string, std::string>>& values) {
  std::string filled = text;
  for (const auto& [name, value] : values) {
    const std::string mark = "@" + name + "@";
    for (size_t at = filled.find(mark); at != std::string::npos; at = filled.find(mark, at)) {
      filled.replace(at, mark.size(), value);
      at += value.size();
    }
  }
  return filled;
}

std::string without_fences(const std::string& markdown) {
  std::string shown;
  bool is_code = false;
  for (const std::string& line : lines_of(markdown)) {
    if (line.starts_with("```")) {
      is_code = !is_code;
    } else {
      shown += (is_code && !line.empty() ? "    " + line : line) + "\n";
    }
  }
  return shown;
}

std::vector<std::string> wrap(const std::string& text, size_t width) {
  std::vector<std::string> lines = {""};
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width)
      lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

}  // namespace thoughtrank
