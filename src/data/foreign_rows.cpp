#include "data/foreign_rows.h"

#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "data/lines.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/missing.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

constexpr size_t kKeysShown = 8;

// Keys that hold the question in known data sets, the likeliest first.
constexpr std::array kQuestionKeys = {"prompt",
                                      "question",
                                      "instruction",
                                      "query",
                                      "problem",
                                      "input",
                                      "inputs",
                                      "text",
                                      "user",
                                      "user_input",
                                      "content",
                                      "task"};

// The names in quotes, cut where they are many.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t n = 0; n < std::min(names.size(), kKeysShown); ++n) {
    text += fmt::format("{}'{}'", n == 0 ? "" : ", ", shorten(names[n], 40));
  }
  if (names.size() > kKeysShown) text += fmt::format(" and {} more", names.size() - kKeysShown);
  return text.empty() ? "none" : text;
}

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// May stand in single quotes of a Python text in double quotes of a shell.
bool is_quotable(const std::string& key) {
  return !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == ' ' || c == '.';
  });
}

// Keys that hold the reply to it.
constexpr std::array kReplyKeys = {"completion",
                                   "response",
                                   "answer",
                                   "output",
                                   "outputs",
                                   "solution",
                                   "chosen",
                                   "target",
                                   "targets"};

// The one of `keys` that is the first of those `known`.
std::optional<std::string> key_among(const std::vector<std::string>& keys, const auto& known_keys) {
  for (const char* known : known_keys) {
    const auto found =
        std::ranges::find_if(keys, [&](const std::string& key) { return lower(key) == known; });
    if (found != keys.end() && is_quotable(*found)) return *found;
  }
  return std::nullopt;
}

std::optional<std::string> question_key(const std::vector<std::string>& keys) {
  return key_among(keys, kQuestionKeys);
}

// A command that prints a row for each item of `source`; both are Python.
std::string convert_line(std::string_view row,
                         std::string_view source,
                         const std::filesystem::path& path) {
  const std::string code =
      fmt::format("import sys, csv, json; [print(json.dumps({})) for row in {}]", row, source);
  return fmt::format(
      "{} > {}", python_line(code, path), shell_word(converted_path(path, ".jsonl").string()));
}

// The rows of a file of JSON lines.
constexpr std::string_view kLines = "map(json.loads, open(sys.argv[1], encoding='utf-8-sig'))";
constexpr std::string_view kDocument = "json.load(open(sys.argv[1], encoding='utf-8-sig'))";

[[noreturn]] void fail_array(const Json& array, const std::filesystem::path& path) {
  const bool has_objects = !array.empty() && array[0].is_object();
  const char* row = !array.empty() && array[0].is_string() ? "dict(prompt=row)" : "row";
  fail(ExitCode::kBadData,
       "{}: is one JSON array of {} items{}, expected one JSON object a line. Convert it: {}",
       path.string(),
       array.size(),
       has_objects ? " with the keys " + listed(keys_of(array[0])) : "",
       convert_line(row, kDocument, path));
}

// "data" of {"version": 1, "data": [{…}, …]}; not the turns of a conversation.
std::optional<std::string> list_of_rows(const Json& object) {
  for (const auto& [key, value] : object.items()) {
    const bool is_list = value.is_array() && !value.empty() && value[0].is_object();
    if (is_list && is_quotable(key) && !value[0].contains("role")) return key;
  }
  return std::nullopt;
}

// A document with a list of rows, or one row over several lines.
[[noreturn]] void fail_object(const Json& object, const std::filesystem::path& path) {
  const std::optional<std::string> list = list_of_rows(object);
  const std::string source =
      list ? fmt::format("{}['{}']", kDocument, *list) : fmt::format("[{}]", kDocument);
  fail(ExitCode::kBadData,
       "{}: is one JSON object with the keys {}, expected one JSON object a line. {}: {}",
       path.string(),
       listed(keys_of(object)),
       list ? fmt::format("Take the rows of '{}'", *list) : "Convert it",
       convert_line("row", source, path));
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

char delimiter_of(std::string_view header) {
  char best = ',';
  for (const char c : {'\t', ';'}) {
    if (std::ranges::count(header, c) > std::ranges::count(header, best)) best = c;
  }
  return best;
}

std::vector<std::string> columns_of(std::string_view header, char delimiter) {
  std::vector<std::string> columns;
  for (size_t begin = 0; begin <= header.size();) {
    const size_t end = std::min(header.find(delimiter, begin), header.size());
    std::string column(header.substr(begin, end - begin));
    std::erase(column, '"');
    columns.push_back(std::move(column));
    begin = end + 1;
  }
  return columns;
}

[[noreturn]] void fail_table(std::string_view text, const std::filesystem::path& path) {
  std::string_view header = text.substr(0, text.find('\n'));
  if (header.ends_with('\r')) header.remove_suffix(1);
  const char delimiter = delimiter_of(header);
  const std::vector<std::string> columns = columns_of(header, delimiter);
  const auto key = question_key(columns);
  const bool is_ready = key == "prompt" || key == "question";
  const std::string question = key ? *key : is_quotable(columns[0]) ? columns[0] : "";
  const std::string row =
      is_ready || question.empty() ? "row" : fmt::format("dict(row, prompt=row['{}'])", question);
  const std::string source = fmt::format(
      "csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8-sig'), "
      "delimiter='{}')",
      delimiter == '\t' ? "\\t" : std::string(1, delimiter));
  fail(ExitCode::kBadData,
       "{}: is a table with the columns {}, expected one JSON object a line. Convert it: {}",
       path.string(),
       listed(columns),
       convert_line(row, source, path));
}

std::optional<Json> parsed(std::string_view text) {
  try {
    return parse_json(text, "");
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Several names, none of which is a part of a sentence.
bool is_header(std::string_view line) {
  const std::vector<std::string> columns = columns_of(line, delimiter_of(line));
  const auto is_name = [](const std::string& column) {
    return !column.empty() && column.size() < 40 && column[0] != ' ' &&
           column.find_first_of(".?!:{}[]()") == std::string::npos;
  };
  return columns.size() > 1 && std::ranges::all_of(columns, is_name);
}

}  // namespace

void require_json_lines(std::string_view text, const std::filesystem::path& path) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t begin = line.find_first_not_of(kBlanks);
  const char first = begin == std::string_view::npos ? ' ' : line[begin];
  if (first == '{' && parsed(line)) return;
  if (first == '{' || first == '[') {
    const std::optional<Json> whole = parsed(text);
    if (whole && whole->is_array()) fail_array(*whole, path);
    if (whole) fail_object(*whole, path);
    if (line.find_last_not_of(kBlanks) != begin) return;  // the line's own error says more
    fail(ExitCode::kBadData,
         "{}: its first line is '{}' alone: JSON over several lines, expected one JSON object a "
         "line. Convert it: jq -c '{}' {} > {}",
         path.string(),
         first,
         first == '[' ? ".[]" : ".",
         shell_word(path.string()),
         shell_word(converted_path(path, ".jsonl").string()));
  }
  if (first == '"' && parsed(line)) return;
  if (is_valid_utf8(line) && is_header(line)) fail_table(text, path);
}

namespace {

// The turns of a ShareGPT row: the key of their list, and what speaker and text are called.
struct ShareGptKeys {
  std::string turns, speaker, text;
};

std::optional<ShareGptKeys> sharegpt_keys(const Json& row) {
  for (const std::string key : {"conversations", "conversation"}) {
    if (!row.contains(key)) continue;
    const bool has_roles = row[key].is_array() && !row[key].empty() && row[key][0].is_object() &&
                           row[key][0].contains("role");
    if (has_roles) return ShareGptKeys{key, "role", "content"};
    return ShareGptKeys{key, "from", "value"};
  }
  return std::nullopt;
}

constexpr std::string_view kAlpacaPrompt =
    "row['instruction'] + ('\\n\\n' + row['input'] if row.get('input') else '')";

}  // namespace

std::string foreign_row_text(const Json& row, const std::filesystem::path& path) {
  if (row.is_string()) {
    return "found a text alone. Convert the file: " +
           convert_line("dict(prompt=row)", kLines, path);
  }
  if (!row.is_object()) return fmt::format("found {}", row.type_name());
  const std::vector<std::string> keys = keys_of(row);
  std::string found = "found " + listed(keys);
  const auto told = [&](std::string_view what, std::string_view converted) {
    return fmt::format(
        "{}{}. Convert the file: {}", found, what, convert_line(converted, kLines, path));
  };
  if (const auto keys_found = sharegpt_keys(row)) {
    return told(": a ShareGPT row",
                fmt::format("dict(id=row.get('id'), prompt=[turn['{}'] for turn in row['{}'] if "
                            "turn['{}'] in ('human', 'user')][0])",
                            keys_found->text,
                            keys_found->turns,
                            keys_found->speaker));
  }
  if (row.contains("instruction")) {
    return told(": an Alpaca row",
                fmt::format("dict(row, prompt={}, answer=row.get('output'))", kAlpacaPrompt));
  }
  if (const auto list = list_of_rows(row)) {
    return fmt::format(
        "{}. Take the rows of '{}': {}",
        found,
        *list,
        convert_line(
            "row",
            fmt::format("[row for document in {} for row in document['{}']]", kLines, *list),
            path));
  }
  const auto key = question_key(keys);
  if (!key || !row[*key].is_string()) return found;
  return told("", fmt::format("dict(row, prompt=row['{}'])", *key));
}

std::string foreign_training_row_text(const Json& row, const std::filesystem::path& path) {
  if (!row.is_object()) return fmt::format("found {}", row.type_name());
  const std::vector<std::string> keys = keys_of(row);
  std::string found = "found " + listed(keys);
  const auto told = [&](std::string_view what, std::string_view converted) {
    return fmt::format(
        "{}{}. Convert the file: {}", found, what, convert_line(converted, kLines, path));
  };
  if (const auto keys_found = sharegpt_keys(row)) {
    // Other speakers keep their name, which the reader then refuses by it.
    return told(": a ShareGPT row",
                fmt::format("dict(messages=[dict(role=dict(human='user', gpt='assistant').get("
                            "turn['{0}'], turn['{0}']), content=turn['{1}']) for turn in "
                            "row['{2}']])",
                            keys_found->speaker,
                            keys_found->text,
                            keys_found->turns));
  }
  if (row.contains("instruction")) {
    return told(": an Alpaca row",
                fmt::format("dict(prompt={}, completion=row['output'])", kAlpacaPrompt));
  }
  const auto question = key_among(keys, kQuestionKeys), reply = key_among(keys, kReplyKeys);
  if (!question || !reply || !row[*question].is_string() || !row[*reply].is_string()) return found;
  return told("", fmt::format("dict(prompt=row['{}'], completion=row['{}'])", *question, *reply));
}

std::string known_keys_command(const std::vector<std::string>& keys,
                               const std::filesystem::path& path) {
  return convert_line(
      fmt::format("dict((key, row[key]) for key in ('{}') if key in row)", fmt::join(keys, "', '")),
      kLines,
      path);
}

std::string first_question_text(const std::filesystem::path& path) {
  return "Take the first question of each conversation: " +
         convert_line(
             "dict(id=row.get('id'), prompt=[turn['content'] for turn in row['messages'] if "
             "turn['role'] == 'user'][0], system=([turn['content'] for turn in "
             "row['messages'] if turn['role'] == 'system'] or [None])[0])",
             kLines,
             path);
}

void fail_extension(const std::filesystem::path& path) {
  const std::string extension = lower(path.extension().string());
  if (extension == ".xlsx" || extension == ".xls" || extension == ".ods") {
    fail(
        ExitCode::kBadData,
        "{}: is a spreadsheet, expected a .jsonl or .txt file of prompts. Save it as CSV in UTF-8; "
        "the error about that file has the command that converts it",
        path.string());
  }
  refuse_hub_data_set(path);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    fail(ExitCode::kBadData,
         "{}: is a folder, expected a .jsonl or .txt file of prompts. It holds {}",
         path.string(),
         listed(names_in(path)));
  }
  const std::string text = read_text(path);
  if (extension == ".csv" || extension == ".tsv") fail_table(text, path);
  const size_t begin = text.find_first_not_of(kBlanks);
  const bool is_json = begin != std::string::npos && (text[begin] == '{' || text[begin] == '[');
  if (is_json) require_json_lines(std::string_view(text).substr(begin), path);
  std::filesystem::path renamed = path;
  renamed.replace_extension(is_json ? ".jsonl" : ".txt");
  fail(ExitCode::kBadData,
       "{}: expected a .jsonl or .txt file of prompts. Are these {}? Then rename it: mv {} {}",
       path.string(),
       is_json ? "JSON objects, one a line" : "prompts, one a line",
       shell_word(path.string()),
       shell_word(renamed.string()));
}

}  // namespace thoughtrank
