#include <unordered_map>

#include "data/lines.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

// A key that is missing or null counts as not given: exported data sets write null for absent
// values.
bool has(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

std::string optional_text(const Json& row, const char* key, const std::string& where) {
  return has(row, key) ? require_string(row, key, where) : "";
}

// A user's id: text, or an integer, which becomes its digits. "" = none.
std::string optional_id(const Json& row, const std::string& where) {
  if (!has(row, "id")) return "";
  if (row["id"].is_number_integer()) return row["id"].dump();
  std::string id = require_string(row, "id", where);
  if (id.empty()) fail(ExitCode::kBadData, "{}: 'id' must not be empty", where);
  return id;
}

// The same prompt has the same id in every file and at every place.
std::string id_from_content(const PromptRow& row) {
  return sha256(row.system + '\0' + row.prompt).substr(0, 16);
}

// [{"role": "system", …} if any, {"role": "user", …}]: one question, no conversation.
void take_messages(const Json& messages, PromptRow& row, const std::string& where) {
  if (!messages.is_array() || messages.empty()) {
    fail(ExitCode::kBadData, "{}: 'messages' must be a list with one user message", where);
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string place = fmt::format("{}: messages[{}]", where, i);
    const std::string role = require_string(messages[i], "role", place);
    const bool is_last = i + 1 == messages.size();
    if (role == "system" && i == 0 && !is_last) {
      row.system = require_string(messages[i], "content", place);
    } else if (role == "user" && is_last) {
      row.prompt = require_string(messages[i], "content", place);
    } else if (role == "system" || role == "user" || role == "assistant") {
      fail(
          ExitCode::kBadData,
          "{}: found a message of '{}' here. Several turns are not supported: expected an optional "
          "system message, then one user message at the end",
          place,
          role);
    } else {
      fail(ExitCode::kBadData, "{}: unknown role '{}', expected system or user", place, role);
    }
  }
}

// Which of the keys that can hold the prompt this row has.
const char* prompt_key(const Json& row, const std::string& where) {
  const char* found = nullptr;
  for (const char* key : {"prompt", "question", "messages"}) {
    if (!has(row, key)) continue;
    if (found != nullptr) {
      fail(ExitCode::kBadData, "{}: has '{}' and '{}', keep one of them", where, found, key);
    }
    found = key;
  }
  if (found == nullptr) {
    fail(ExitCode::kBadData, "{}: expected the key 'prompt', 'question' or 'messages'", where);
  }
  return found;
}

PromptRow prompt_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) {
    fail(ExitCode::kBadData, "{}: expected a JSON object, found {}", where, json.type_name());
  }
  PromptRow row;
  const std::string_view key = prompt_key(json, where);
  if (key == "messages") {
    take_messages(json["messages"], row, where);
  } else {
    row.prompt = require_string(json, key, where);
  }
  if (has(json, "system")) {
    if (!row.system.empty()) {
      fail(ExitCode::kBadData, "{}: has 'system' and a system message, keep one of them", where);
    }
    row.system = require_string(json, "system", where);
  }
  if (is_blank(row.prompt)) fail(ExitCode::kBadData, "{}: the prompt is empty", where);
  row.answer = optional_text(json, "answer", where);
  row.prompt_id = optional_id(json, where);
  return row;
}

using TakePrompt = std::function<void(PromptRow row, const std::string& where)>;

void read_text_prompts(const std::filesystem::path& path, const TakePrompt& take) {
  const std::string text = read_file(path);
  for_each_line(text, [&](std::string_view line, size_t number) {
    const std::string where = line_place(path, number);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // byte order mark
    if (!is_valid_utf8(line)) fail(ExitCode::kBadData, "{}: is not valid UTF-8", where);
    if (is_blank(line)) return;
    PromptRow row;
    row.prompt = line;
    take(std::move(row), where);
  });
}

}  // namespace

std::vector<PromptRow> read_prompt_file(const std::filesystem::path& path) {
  std::vector<PromptRow> rows;
  std::unordered_map<std::string, std::string> seen;  // id -> where
  const auto take = [&](PromptRow row, const std::string& where) {
    const bool is_named = !row.prompt_id.empty();
    if (!is_named) row.prompt_id = id_from_content(row);
    const auto [first, is_new] = seen.emplace(row.prompt_id, where);
    if (!is_new) {
      fail(ExitCode::kBadData,
           "{}: {} is already at {}. Give each prompt an id of its own, or remove one",
           where,
           is_named ? "the id '" + row.prompt_id + "'" : "the same prompt",
           first->second);
    }
    rows.push_back(std::move(row));
  };
  if (path.extension() == ".jsonl") {
    read_jsonl(path, [&](const Json& json, const std::string& where) {
      take(prompt_from_json(json, where), where);
    });
  } else if (path.extension() == ".txt") {
    read_text_prompts(path, take);
  } else {
    fail(ExitCode::kBadData, "{}: expected a .jsonl or .txt file of prompts", path.string());
  }
  if (rows.empty()) fail(ExitCode::kBadData, "{}: holds no prompt", path.string());
  return rows;
}

}  // namespace thoughtrank
