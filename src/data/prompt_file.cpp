#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "data/foreign_rows.h"
#include "data/lines.h"
#include "data/prompt_row.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/shorten.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

// The same prompt has the same id in every file and at every place.
std::string id_from_content(const PromptRow& row) {
  return sha256(row.system + '\0' + row.prompt).substr(0, 16);
}

bool is_same(const PromptRow& a, const PromptRow& b) {
  return std::tie(a.prompt, a.system, a.answer) == std::tie(b.prompt, b.system, b.answer);
}

// The rows of a file, and which of them come again under an id that is taken.
class RowCollector {
 public:
  RowCollector(const std::filesystem::path& path, bool drops_repeats)
      : path_(path), drops_repeats_(drops_repeats) {}

  void take(PromptRow row, size_t line) {
    ++taken_;
    const bool is_named = !row.prompt_id.empty();
    if (!is_named) row.prompt_id = id_from_content(row);
    const auto [known, is_new] = places_.emplace(row.prompt_id, rows_.size());
    if (is_new) {
      rows_.push_back(std::move(row));
      lines_.push_back(line);
      return;
    }
    const size_t first = known->second;
    const bool is_repeat = is_same(row, rows_[first]);
    if (is_repeat && drops_repeats_) return;
    Repeat& repeat = repeats_[first];
    repeat.is_named = is_named;
    repeat.is_exact = repeat.is_exact && is_repeat;
    repeat.lines.push_back(line);
  }

  [[nodiscard]] std::vector<PromptRow> finish() {
    if (!repeats_.empty()) fail_repeats();
    if (rows_.empty()) fail(ExitCode::kBadData, "{}: holds no prompt", path_.string());
    return std::move(rows_);
  }

 private:
  struct Repeat {
    bool is_named = false;
    bool is_exact = true;       // every one says the same as the first
    std::vector<size_t> lines;  // of those after the first
  };

  // "the id 'x' (lines 1, 4 and 9)"
  [[nodiscard]] std::string describe(size_t first, const Repeat& repeat) const {
    constexpr size_t kLinesShown = 4;
    std::string lines = fmt::format("{}", lines_[first]);
    const size_t shown = std::min(repeat.lines.size(), kLinesShown);
    for (size_t n = 0; n < shown; ++n) {
      const bool is_last = n + 1 == repeat.lines.size();
      lines += fmt::format("{}{}", is_last ? " and " : ", ", repeat.lines[n]);
    }
    if (shown < repeat.lines.size()) {
      lines += fmt::format(" and {} more", repeat.lines.size() - shown);
    }
    const std::string what =
        repeat.is_named ? fmt::format("the id '{}'", shorten(rows_[first].prompt_id))
                        : fmt::format("the same prompt '{}'", shorten(rows_[first].prompt));
    return fmt::format(
        "{} (lines {}{})", what, lines, repeat.is_exact ? "" : ", with other contents");
  }

  [[noreturn]] void fail_repeats() const {
    constexpr size_t kShown = 5;
    size_t rows = 0, exact = 0;
    std::string named;
    size_t shown = 0;
    for (const auto& [first, repeat] : repeats_) {
      rows += repeat.lines.size();
      exact += repeat.is_exact ? 1 : 0;
      if (shown++ < kShown) named += (named.empty() ? "" : "; ") + describe(first, repeat);
    }
    if (shown > kShown) named += fmt::format("; and {} more prompts", shown - kShown);
    const char* mend =
        exact == repeats_.size()
            ? "Remove them, or set prompts.drop_repeats: true, which keeps the first "
              "of rows that say the same"
        : exact > 0 ? "Give each prompt an id of its own; prompts.drop_repeats: true drops "
                      "only rows that say the same as the first"
                    : "Give each prompt an id of its own, or keep one of its answers";
    fail(ExitCode::kBadData,
         "{}:{}: {} of {} rows repeat an earlier one: {}. {}",
         path_.string(),
         repeats_.begin()->second.lines.front(),
         rows,
         taken_,
         named,
         mend);
  }

  const std::filesystem::path& path_;
  bool drops_repeats_;
  size_t taken_ = 0;
  std::vector<PromptRow> rows_;
  std::vector<size_t> lines_;                       // of each row
  std::unordered_map<std::string, size_t> places_;  // id -> row
  std::map<size_t, Repeat> repeats_;                // of a row
};

void read_text_prompts(const std::filesystem::path& path, RowCollector& rows) {
  for_each_line(read_text(path), [&](std::string_view line, size_t number) {
    if (!is_valid_utf8(line)) {
      fail(ExitCode::kBadData, "{}: is not valid UTF-8", line_place(path, number));
    }
    if (is_blank(line)) return;
    PromptRow row;
    row.prompt = line;
    rows.take(std::move(row), number);
  });
}

void read_json_prompts(const std::filesystem::path& path, RowCollector& rows) {
  size_t number = 0;
  for_each_row(read_text(path),
               path,
               [&](const Json& json, std::string_view line, const std::string& where) {
                 rows.take(prompt_from_line({json, line, where, path}), ++number);
               });
}

}  // namespace

std::vector<PromptRow> read_prompt_file(const std::filesystem::path& path, bool drops_repeats) {
  RowCollector rows(path, drops_repeats);
  if (path.extension() == ".jsonl") {
    read_json_prompts(path, rows);
  } else if (path.extension() == ".txt") {
    read_text_prompts(path, rows);
  } else {
    fail_extension(path);
  }
  return rows.finish();
}

}  // namespace thoughtrank
