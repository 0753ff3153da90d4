#include "thoughtrank/data/training_file.h"

#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "data/foreign_rows.h"
#include "data/lines.h"
#include "data/prompt_row.h"
#include "data/record_fields.h"
#include "thoughtrank/core/shorten.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

template <class... Args>
[[noreturn]] void refuse(const std::string& where,
                         fmt::format_string<Args...> message,
                         Args&&... args) {
  fail(ExitCode::kBadData, "{}: {}", where, fmt::format(message, std::forward<Args>(args)...));
}

std::string filled_text(const Json& json, const char* key, const std::string& where) {
  std::string text = require_string(json, key, where);
  if (is_blank(text)) refuse(where, "'{}' is empty", key);
  return text;
}

// The row's value as a list, which its items are called by: "rows.jsonl:12: messages[3]".
template <class Take>
void for_each_item(const Json& row, const char* key, const std::string& where, const Take& take) {
  const Json& list = row[key];
  if (!list.is_array()) refuse(where, "'{}' must be a list, found {}", key, list.type_name());
  for (size_t n = 0; n < list.size(); ++n) {
    take(list[n], fmt::format("{}: {}[{}]", where, key, n));
  }
}

// A message with its role; keys that are null are passed over.
struct Message {
  std::string role;
  std::string text;
};

Message read_message(const Json& json, const std::string& place) {
  Json given = json;
  if (json.is_object()) {
    given = Json::object();
    for (const auto& [key, value] : json.items()) {
      if (!value.is_null()) given[key] = value;
    }
  }
  const std::string role = require_string(given, "role", place);
  if (role != "system" && role != "user" && role != "assistant") {
    refuse(place, "unknown role '{}', expected system, user or assistant", shorten(role));
  }
  require_known_keys(given, {"role", "content"}, place);
  std::string text = message_text(given, place);
  if (is_blank(text)) refuse(place, "'content' is empty");
  return {.role = role, .text = std::move(text)};
}

// [system?, user, assistant, user, assistant, …]: the last pair is the row's own, the others are
// shown.
void take_messages(const Json& json, const std::string& where, TrainingFileRow& row) {
  std::string role = "assistant";  // of the message before
  for_each_item(json, "messages", where, [&](const Json& item, const std::string& place) {
    Message message = read_message(item, place);
    const bool is_first = row.system.empty() && row.row.prompt.empty();
    if (message.role == "system" && is_first) {
      row.system = std::move(message.text);
      return;
    }
    const char* expected = role == "user" ? "assistant" : "user";
    if (message.role != expected) {
      refuse(place,
             "found a turn of '{}', expected one of '{}': after an optional system message the "
             "turns of user and assistant alternate, beginning with the user's",
             message.role,
             expected);
    }
    role = message.role;
    if (role == "assistant") {
      row.row.completion = std::move(message.text);
      return;
    }
    if (!row.row.prompt.empty()) {
      row.earlier.push_back(
          {.prompt = row.row.prompt, .thought = "", .answer = row.row.completion});
    }
    row.row.prompt = std::move(message.text);
  });
  if (row.row.prompt.empty()) refuse(where, "'messages' has no turn of a user");
  if (role == "user") {
    refuse(where,
           "the conversation ends in a turn of 'user', expected one of 'assistant': the last "
           "assistant turn is what is trained. Remove the user's last turn, or add its reply");
  }
}

std::vector<ExampleRow> read_examples(const Json& json, const std::string& where) {
  std::vector<ExampleRow> examples;
  for_each_item(json, "examples", where, [&](const Json& item, const std::string& place) {
    require_known_keys(item, {"prompt", "thought", "answer"}, place);
    examples.push_back(
        {.prompt = filled_text(item, "prompt", place),
         .thought = is_given(item, "thought") ? require_string(item, "thought", place) : "",
         .answer = filled_text(item, "answer", place)});
  });
  return examples;
}

// Trainers of conversations have lists of messages under both keys.
void refuse_lists(const Json& json, const std::string& where) {
  for (const char* key : {"prompt", "completion"}) {
    if (!is_given(json, key) || !json[key].is_array()) continue;
    refuse(
        where,
        "'{}' is a list, expected a text. Write one list 'messages' with the turns of prompt and "
        "completion",
        key);
  }
}

// What is asked and what is trained.
void take_texts(const Json& json,
                const std::string& where,
                const std::filesystem::path& path,
                TrainingFileRow& row) {
  const bool has_messages = is_given(json, "messages");
  for (const char* key : {"prompt", "completion"}) {
    if (has_messages && is_given(json, key)) {
      refuse(where, "has 'messages' and '{}', keep one of them", key);
    }
  }
  if (has_messages) return take_messages(json, where, row);
  if (!is_given(json, "prompt") || !is_given(json, "completion")) {
    refuse(where,
           "expected the keys 'prompt' and 'completion', or 'messages', {}",
           foreign_training_row_text(json, path));
  }
  refuse_lists(json, where);
  row.row.prompt = filled_text(json, "prompt", where);
  row.row.completion = filled_text(json, "completion", where);
}

constexpr std::array kTextKeys = {"prompt", "completion", "system", "messages", "examples"};
constexpr std::array kRecordKeys = {"prompt_id", "round", "branch", "weight"};

bool is_among(const auto& keys, const std::string& key) {
  return std::ranges::find(keys, key) != keys.end();
}

// The keys of a record that a row of texts may have beside its texts, with the record's rules.
TrainingRow take_record_keys(const Json& json,
                             const std::string& where,
                             const std::filesystem::path& path) {
  Json whole = to_json(TrainingRow{});
  for (const auto& [key, value] : json.items()) {
    if (is_among(kTextKeys, key) || value.is_null()) continue;
    if (key == "spans" && value.is_array() && value.empty()) continue;
    if (key == "spans") refuse(where, "has 'spans' but no 'input_ids': give both or neither");
    if (!is_among(kRecordKeys, key)) {
      refuse(where,
             "unknown key '{}', a row without input_ids has {}, {}. Correct its name, or leave out "
             "such keys: {}",
             shorten(key),
             fmt::join(kTextKeys, ", "),
             fmt::join(kRecordKeys, ", "),
             known_keys_command({kTextKeys.begin(), kTextKeys.end()}, path));
    }
    whole[key] = value;
  }
  return from_json<TrainingRow>(whole, where);
}

TrainingFileRow read_row_of_texts(const Json& json,
                                  const std::string& where,
                                  const std::filesystem::path& path) {
  if (!json.is_object()) {
    refuse(where, "expected a JSON object, {}", foreign_training_row_text(json, path));
  }
  TrainingFileRow row;
  take_texts(json, where, path, row);
  TrainingRow record = take_record_keys(json, where, path);
  record.prompt = std::move(row.row.prompt);
  record.completion = std::move(row.row.completion);
  row.row = std::move(record);
  if (is_given(json, "system")) {
    if (!row.system.empty()) refuse(where, "has 'system' and a system message, keep one of them");
    row.system = require_string(json, "system", where);
  }
  if (is_given(json, "examples")) {
    std::vector<ExampleRow> shown = read_examples(json, where);
    row.earlier.insert(row.earlier.begin(), shown.begin(), shown.end());
  }
  return row;
}

}  // namespace

std::vector<TrainingFileRow> read_training_file(const std::filesystem::path& path) {
  std::vector<TrainingFileRow> rows;
  read_jsonl(path, [&](const Json& json, const std::string& where) {
    const bool has_ids = json.is_object() && json.contains("input_ids");
    rows.push_back(has_ids ? TrainingFileRow{.row = from_json<TrainingRow>(json, where)}
                           : read_row_of_texts(json, where, path));
    std::string& id = rows.back().row.prompt_id;
    if (id.empty()) id = line_place(path.filename(), rows.size());
  });
  if (rows.empty()) fail(ExitCode::kBadData, "{}: holds no training row", path.string());
  return rows;
}

}  // namespace thoughtrank
