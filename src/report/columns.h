// Rows of cells as aligned columns.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace thoughtrank {

// Two spaces between columns, the first row underlined; cells are counted in bytes (ASCII).
inline std::string columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t n = 0; n < row.size(); ++n) widths[n] = std::max(widths[n], row[n].size());
  }
  const auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (size_t n = 0; n < row.size(); ++n) {
      text += row[n];
      if (n + 1 < row.size()) text += std::string(widths[n] - row[n].size() + 2, ' ');
    }
    return text + "\n";
  };
  std::string text;
  for (size_t n = 0; n < rows.size(); ++n) {
    text += line(rows[n]);
    if (n > 0) continue;
    std::vector<std::string> rule;
    rule.reserve(widths.size());
    for (const size_t width : widths) rule.push_back(std::string(width, '-'));
    text += line(rule);
  }
  return text;
}

}  // namespace thoughtrank
