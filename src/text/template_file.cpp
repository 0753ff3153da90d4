#include "text/template_file.h"

#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/missing.h"

namespace thoughtrank {
namespace {

constexpr std::string_view kBosMark = "%bos%";
constexpr std::string_view kEosMark = "%eos%";

// Every text of a template in which a mark may stand.
std::vector<std::string*> texts_of(ChatTemplate& t) {
  std::vector<std::string*> texts = {&t.bos,
                                     &t.system_open,
                                     &t.system_close,
                                     &t.user_open,
                                     &t.user_close,
                                     &t.assistant_open,
                                     &t.assistant_close,
                                     &t.example_close,
                                     &t.jinja};
  for (auto& token : t.stop) texts.push_back(&token);
  return texts;
}

void replace_mark(std::string& text, std::string_view mark, std::string_view value) {
  size_t at = text.find(mark);
  while (at != std::string::npos) {
    text.replace(at, mark.size(), value);
    at = text.find(mark, at + value.size());
  }
}

// The mark stands in a Jinja string of single quotes.
void check_quotable(const std::string& token, const std::filesystem::path& folder) {
  if (token.find_first_of("'\\%\n") != std::string::npos) {
    fail(ExitCode::kConfig,
         "{}: the token '{}' cannot stand in a chat template; write a template file of your own",
         folder.string(),
         token);
  }
}

std::string bos_text(const Tokenizer& tokenizer) {
  std::string text;
  for (const int64_t id : tokenizer.leading_ids()) text += tokenizer.token_bytes(id);
  return text;
}

// eos_token_id of config.json, else of generation_config.json: a number, or a list whose first one
// counts.
std::string eos_text(const Tokenizer& tokenizer, const std::filesystem::path& folder) {
  constexpr int64_t kDefaultEos = 2;  // transformers', where neither file has the key
  bool is_stated = false;
  for (const char* name : {"config.json", "generation_config.json"}) {
    if (!is_there(folder / name)) continue;
    const std::string where = (folder / name).string();
    const Json config = parse_json(read_text_file(where), where);
    if (!config.is_object() || !config.contains("eos_token_id")) continue;
    is_stated = true;
    const Json& value = config["eos_token_id"];
    if (value.is_null()) continue;
    const bool is_list = value.is_array() && !value.empty();
    const int64_t id = checked_int(
        is_list ? value[0] : value, 0, tokenizer.vocabulary_size() - 1, where + ": eos_token_id");
    return std::string(tokenizer.token_bytes(id));
  }
  if (!is_stated) return std::string(tokenizer.token_bytes(kDefaultEos));
  fail(ExitCode::kConfig,
       "{}: eos_token_id is null in config.json and generation_config.json, but the template ends "
       "an "
       "answer with that token. Name the token there, or set 'template' to one that has its own",
       folder.string());
}

// Prompt ids and answer ids must not depend on each other: a prompt ends where tokens always end.
void check_end(const ChatTemplate& t, const std::filesystem::path& model_folder) {
  const std::string end = t.user_close + t.assistant_open;
  if (end.ends_with('\n')) return;
  const auto tokenizer = load_tokenizer(model_folder);
  const auto ids = tokenizer->encode_with_special(end);
  if (!ids.empty() && tokenizer->is_special(ids.back())) return;
  fail(ExitCode::kConfig,
       "template '{}': assistant_open should end in a newline or a special token, the prompt ends "
       "in '{}'",
       t.name,
       end);
}

void check_template(const ChatTemplate& t, const std::filesystem::path& model_folder) {
  check_end(t, model_folder);
  if (t.stop.empty() || t.stop[0].empty()) {
    fail(ExitCode::kConfig, "template '{}': 'stop' names no token that ends an answer", t.name);
  }
  if (t.jinja.empty()) fail(ExitCode::kConfig, "template '{}': 'jinja' is empty", t.name);
}

std::optional<std::string> jinja_of_value(const Json& value, const std::string& where) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return value.get<std::string>();
  // [{"name": "default", "template": "…"}, {"name": "tool_use", …}]
  if (value.is_array()) {
    for (const Json& entry : value) {
      if (require_string(entry, "name", where) == "default") {
        return require_string(entry, "template", where);
      }
    }
  }
  fail(ExitCode::kBadData, "{}: chat_template should be a text, or a list with a default", where);
}

}  // namespace

ChatTemplate read_template_file(const std::filesystem::path& file) {
  ChatTemplate t;
  t.name = file.stem().string();
  load_fields({file.string(), {}}, [&](FieldVisitor& v) {
    v.text("bos", t.bos, "what every text begins with");
    v.text("system_open", t.system_open, "before the system message");
    v.text("system_close", t.system_close, "behind the system message");
    v.text("default_system", t.default_system, "the system message of prompts without one");
    v.text("user_open", t.user_open, "before the user's message");
    v.text("user_close", t.user_close, "behind the user's message");
    v.text("assistant_open", t.assistant_open, "before the answer");
    v.text("assistant_close", t.assistant_close, "behind the answer");
    v.text("example_close",
           t.example_close,
           "behind the answer of a worked example; empty: assistant_close");
    v.texts("stop", t.stop, "tokens that end an answer; the first is exported as eos");
    v.text("jinja", t.jinja, "the same as Jinja, exported with a checkpoint");
    v.texts("recognises", t.recognises, "SHA-256 of chat templates of models that it stands for");
  });
  return t;
}

bool needs_model(const ChatTemplate& chat_template) {
  ChatTemplate copy = chat_template;
  for (const std::string* text : texts_of(copy)) {
    const bool has_mark =
        text->find(kBosMark) != std::string::npos || text->find(kEosMark) != std::string::npos;
    if (has_mark) return true;
  }
  return false;
}

ChatTemplate resolve_template(ChatTemplate t, const std::filesystem::path& model_folder) {
  if (needs_model(t)) {
    const auto tokenizer = load_tokenizer(model_folder);
    const std::string bos = bos_text(*tokenizer);
    const std::string eos = eos_text(*tokenizer, model_folder);
    check_quotable(bos, model_folder);
    check_quotable(eos, model_folder);
    for (std::string* text : texts_of(t)) {
      replace_mark(*text, kBosMark, bos);
      replace_mark(*text, kEosMark, eos);
    }
  }
  check_template(t, model_folder);
  return t;
}

std::optional<std::string> find_model_jinja(const std::filesystem::path& model_folder) {
  const auto jinja_file = model_folder / "chat_template.jinja";
  if (is_there(jinja_file)) return read_text_file(jinja_file);
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    const auto file = model_folder / name;
    if (!is_there(file)) continue;
    const Json config = parse_json(read_text_file(file), file.string());
    if (!config.is_object() || !config.contains("chat_template")) continue;
    return jinja_of_value(config["chat_template"], file.string());
  }
  return std::nullopt;
}

}  // namespace thoughtrank
