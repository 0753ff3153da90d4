#include "data/prompt_row.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "data/foreign_rows.h"
#include "data/lines.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {

bool is_given(const Json& row, const char* key) { return row.contains(key) && !row[key].is_null(); }

std::string message_text(const Json& message, const std::string& place) {
  if (message.is_object() && message.contains("content") && message["content"].is_array()) {
    fail(ExitCode::kBadData,
         "{}: 'content' is a list of parts, as chats with images have, expected a text",
         place);
  }
  return require_string(message, "content", place);
}

namespace {

// Finds the characters of the number that is the value of a key of the outermost object.
class NumberText : public nlohmann::json_sax<Json> {
 public:
  explicit NumberText(std::string_view wanted) : wanted_(wanted) {}
  std::string found;

  bool number_float(double /*value*/, const std::string& text) override {
    if (depth_ == 1 && key_ == wanted_) found = text;
    return true;
  }
  bool key(std::string& name) override {
    if (depth_ == 1) key_ = name;
    return true;
  }
  bool start_object(size_t /*elements*/) override { return ++depth_, true; }
  bool end_object() override { return --depth_, true; }
  bool start_array(size_t /*elements*/) override { return ++depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(int64_t /*value*/) override { return true; }
  bool number_unsigned(uint64_t /*value*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(Json::binary_t& /*value*/) override { return true; }
  bool parse_error(size_t /*position*/,
                   const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    return false;
  }

 private:
  std::string_view wanted_;
  std::string key_;
  int depth_ = 0;
};

// 2.50 stays "2.50"; 1e3 becomes "1000", as people and judge.match numeric read it.
std::string number_text(const PromptLine& line, const char* key) {
  const Json& value = line.json[key];
  if (value.is_number_integer()) return value.dump();
  NumberText finder(key);
  (void)Json::sax_parse(line.text.begin(), line.text.end(), &finder);
  if (finder.found.find_first_of("eE") == std::string::npos) return finder.found;
  std::string digits(512, '\0');  // 1e308 has 309 of them, 5e-324 has 326
  const auto end = std::to_chars(
      digits.data(), digits.data() + digits.size(), value.get<double>(), std::chars_format::fixed);
  digits.resize(static_cast<size_t>(end.ptr - digits.data()));
  return digits;
}

// Sets of arithmetic write numbers, sets of yes and no write true and false.
std::string answer_of(const PromptLine& line) {
  if (!is_given(line.json, "answer")) return "";
  const Json& value = line.json["answer"];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return number_text(line, "answer");
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  fail(ExitCode::kBadData,
       "{}: 'answer' should be a text, a number, true or false, found {}",
       line.where,
       shorten(dump_json(value)));
}

// A user's id: text, or a number, which becomes its digits. "" = none.
std::string id_of(const PromptLine& line) {
  if (!is_given(line.json, "id")) return "";
  if (line.json["id"].is_number()) return number_text(line, "id");
  std::string id = require_string(line.json, "id", line.where);
  if (id.empty()) fail(ExitCode::kBadData, "{}: 'id' must not be empty", line.where);
  return id;
}

// [{"role": "system", …} if any, {"role": "user", …}]: one question, no conversation.
void take_messages(const PromptLine& line, PromptRow& row) {
  const Json& messages = line.json["messages"];
  if (!messages.is_array() || messages.empty()) {
    fail(ExitCode::kBadData, "{}: 'messages' must be a list with one user message", line.where);
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string place = fmt::format("{}: messages[{}]", line.where, i);
    const std::string role = require_string(messages[i], "role", place);
    const bool is_last = i + 1 == messages.size();
    if (role == "system" && i == 0 && !is_last) {
      row.system = message_text(messages[i], place);
    } else if (role == "user" && is_last) {
      row.prompt = message_text(messages[i], place);
    } else if (role == "system" || role == "user" || role == "assistant") {
      fail(
          ExitCode::kBadData,
          "{}: found a message of '{}' here. Several turns are not supported: expected an optional "
          "system message, then one user message at the end. {}",
          place,
          role,
          first_question_text(line.path));
    } else {
      fail(ExitCode::kBadData, "{}: unknown role '{}', expected system or user", place, role);
    }
  }
}

// The options of a question of several choices, as ARC has them: lists of texts and labels beside
// each other, or a list of objects.
struct Options {
  std::string text;  // a line each
  std::vector<std::string> labels;
};

Options read_options(const Json& choices, const std::string& where) {
  const auto problem = [&]() -> Error {
    return {ExitCode::kBadData,
            where +
                ": 'choices' should hold \"text\" and \"label\", two lists of the same length, or "
                "be a list of objects with both"};
  };
  Options options;
  const auto add = [&](const Json& label, const Json& option) {
    if (!label.is_string() || !option.is_string()) throw problem();
    options.labels.push_back(label.get<std::string>());
    options.text += fmt::format("\n{}. {}", options.labels.back(), option.get<std::string>());
  };
  if (choices.is_array()) {
    for (const Json& choice : choices) {
      if (!choice.is_object()) throw problem();
      add(choice.value("label", Json()), choice.value("text", Json()));
    }
  } else {
    const Json labels = choices.is_object() ? choices.value("label", Json()) : Json();
    const Json texts = choices.is_object() ? choices.value("text", Json()) : Json();
    if (!labels.is_array() || !texts.is_array() || labels.size() != texts.size()) throw problem();
    for (size_t n = 0; n < labels.size(); ++n) add(labels[n], texts[n]);
  }
  if (options.text.empty()) throw problem();
  return options;
}

// The key must be one of the labels, and of one only.
void require_label(const std::string& key,
                   const std::vector<std::string>& labels,
                   const std::string& where) {
  if (std::ranges::count(labels, key) == 1) return;
  fail(ExitCode::kBadData,
       "{}: 'answerKey' should be one of the labels, found '{}' where they are {}",
       where,
       key,
       fmt::join(labels, ", "));
}

// A row of ARC, as the Hub or its makers have it: the prompt shows the options, the answer is the
// label of the right one. False for any other row, also one with a prompt of its own.
bool take_choices(const PromptLine& line, PromptRow& row) {
  const Json& json = line.json;
  if (is_given(json, "prompt") || is_given(json, "messages")) return false;
  const bool is_nested = is_given(json, "question") && json["question"].is_object();
  const Json& question = is_nested ? json["question"] : json;
  if (!is_given(question, "choices")) return false;
  const std::string stem = require_string(question, is_nested ? "stem" : "question", line.where);
  const Options options = read_options(question["choices"], line.where);
  row.prompt = stem + options.text;
  row.answer = require_string(json, "answerKey", line.where);
  require_label(row.answer, options.labels, line.where);
  return true;
}

// Which of the keys that can hold the prompt this row has.
const char* prompt_key(const PromptLine& line) {
  const char* found = nullptr;
  for (const char* key : {"prompt", "question", "messages"}) {
    if (!is_given(line.json, key)) continue;
    if (found != nullptr) {
      fail(ExitCode::kBadData, "{}: has '{}' and '{}', keep one of them", line.where, found, key);
    }
    found = key;
  }
  if (found == nullptr) {
    fail(ExitCode::kBadData,
         "{}: expected the key 'prompt', 'question' or 'messages', {}",
         line.where,
         foreign_row_text(line.json, line.path));
  }
  return found;
}

// A list of messages under the key of a text, as trainers of conversations have it.
std::string text_of(const PromptLine& line, const std::string& key) {
  const Json& value = line.json[key];
  if (value.is_array() && !value.empty() && value[0].is_object() && value[0].contains("role")) {
    fail(ExitCode::kBadData,
         "{}: '{}' is a list of messages, expected a text. Rename the key to 'messages'",
         line.where,
         key);
  }
  return require_string(line.json, key, line.where);
}

}  // namespace

PromptRow prompt_from_line(const PromptLine& line) {
  if (!line.json.is_object()) {
    fail(ExitCode::kBadData,
         "{}: expected a JSON object, {}",
         line.where,
         foreign_row_text(line.json, line.path));
  }
  PromptRow row;
  const bool has_choices = take_choices(line, row);
  const std::string key = has_choices ? "" : prompt_key(line);
  if (key == "messages") {
    take_messages(line, row);
  } else if (!has_choices) {
    row.prompt = text_of(line, key);
  }
  if (is_given(line.json, "system")) {
    if (!row.system.empty()) {
      fail(ExitCode::kBadData,
           "{}: has 'system' and a system message, keep one of them",
           line.where);
    }
    row.system = require_string(line.json, "system", line.where);
  }
  if (is_blank(row.prompt)) fail(ExitCode::kBadData, "{}: the prompt is empty", line.where);
  if (!has_choices) row.answer = answer_of(line);
  row.prompt_id = id_of(line);
  return row;
}

}  // namespace thoughtrank
