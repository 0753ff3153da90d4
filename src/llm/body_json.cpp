#include "llm/body_json.h"

#include "thoughtrank/core/utf8.h"

namespace thoughtrank {

std::optional<Json> parse_body(const std::string& text, std::string& failure) {
  if (!is_valid_utf8(text)) {
    failure = "the body is not UTF-8";
    return std::nullopt;
  }
  try {
    return parse_json(text, "body");
  } catch (const Error& error) {
    failure = error.what();
    return std::nullopt;
  }
}

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_member(const Json& object, const char* key) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<int64_t> token_count(const Json& object,
                                   const char* key,
                                   std::optional<int64_t> otherwise) {
  constexpr int64_t kMostTokens = 1'000'000'000;
  const Json* value = member(object, key);
  if (value == nullptr) return otherwise;
  try {
    return checked_int(*value, 0, kMostTokens, key);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<std::string> content_text(const Json& message) {
  const Json* content = member(message, "content");
  if (content == nullptr) return std::nullopt;
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) return std::nullopt;
  std::string text;
  for (const Json& part : *content) {
    if (text_member(part, "type") == "text") text += text_member(part, "text");
  }
  return text;
}

}  // namespace thoughtrank
