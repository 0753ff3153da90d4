#include "thoughtrank/data/jsonl.h"

#include "data/foreign_rows.h"
#include "data/lines.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/file_kind.h"

namespace thoughtrank {

std::string read_text(const std::filesystem::path& path) {
  std::string text = read_text_file(path);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

void for_each_row(std::string_view text, const std::filesystem::path& path, const TakeLine& take) {
  const size_t last = text.find_last_not_of(kBlanks);
  if (last == std::string_view::npos) return;
  text = text.substr(0, last + 1);
  for_each_line(text, [&](std::string_view line, size_t n) {
    const std::string where = line_place(path, n);
    if (is_blank(line)) {
      fail(ExitCode::kBadData, "{}: expected a JSON object, found an empty line", where);
    }
    if (n == 1) require_json_lines(text, path);
    take(parse_json(line, where), line, where);
  });
}

void read_jsonl(const std::filesystem::path& path,
                const std::function<void(const Json& row, const std::string& where)>& take) {
  for_each_row(read_text(path),
               path,
               [&](const Json& row, std::string_view /*line*/, const std::string& where) {
                 take(row, where);
               });
}

}  // namespace thoughtrank
