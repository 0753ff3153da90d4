#include "thoughtrank/data/jsonl.h"

#include "data/lines.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {

void read_jsonl(const std::filesystem::path& path,
                const std::function<void(const Json& row, const std::string& where)>& take) {
  const std::string text = read_file(path);
  const size_t last = text.find_last_not_of(kBlanks);
  if (last == std::string::npos) return;
  for_each_line(std::string_view(text).substr(0, last + 1), [&](std::string_view line, size_t n) {
    const std::string where = line_place(path, n);
    if (is_blank(line)) {
      fail(ExitCode::kBadData, "{}: expected a JSON object, found an empty line", where);
    }
    take(parse_json(line, where), where);
  });
}

}  // namespace thoughtrank
