// Whole JSONL files of rows, and the user's prompt file.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/core/files.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Gives each line's document with its place ("outputs.jsonl:12"). Empty lines are errors, except at
// the end; a byte order mark at the beginning is passed over.
void read_jsonl(const std::filesystem::path& path,
                const std::function<void(const Json& row, const std::string& where)>& take);

template <class Row>
std::vector<Row> read_rows(const std::filesystem::path& path) {
  std::vector<Row> rows;
  read_jsonl(path, [&](const Json& json, const std::string& where) {
    rows.push_back(from_json<Row>(json, where));
  });
  return rows;
}

// Publishes the file whole (publish_file), one row a line.
template <class Row>
void publish_rows(const std::filesystem::path& path, const std::vector<Row>& rows) {
  std::string bytes;
  for (const Row& row : rows) bytes += dump_json(to_json(row)) + "\n";
  publish_file(path, bytes);
}

// The user's prompts: .jsonl rows with "prompt", "question" or "messages" (optional system, then
// one user message) and optional "id", "system", "answer"; ARC's rows ("question", "choices",
// "answerKey"), whose options stand in the prompt and whose answer is a label; or .txt with one
// prompt a line (blank lines skipped). Numbers as "id" and "answer" stand as they are written.
// Without an id a row gets one from its content. Errors (kBadData) name file:line: empty or
// non-string prompts, several turns, unknown roles, invalid UTF-8, and all rows at once whose id is
// taken. With `drops_repeats` rows that say the same as an earlier one are left out. What other
// tools write is named as such, with the command that converts it.
[[nodiscard]] std::vector<PromptRow> read_prompt_file(const std::filesystem::path& path,
                                                      bool drops_repeats = false);

}  // namespace thoughtrank
