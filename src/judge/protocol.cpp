#include "judge/protocol.h"

#include <utility>

#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

constexpr int64_t kMostTokens = 1'000'000'000;

Json ranking_schema(const std::vector<std::string>& labels) {
  const Json label = {{"type", "string"}, {"enum", labels}};
  return {{"type", "object"},
          {"properties", {{"ranking", {{"type", "array"}, {"items", label}}}}},
          {"required", Json::array({"ranking"})},
          {"additionalProperties", false}};
}

Json response_format(const std::string& format, const std::vector<std::string>& labels) {
  if (format == "json_object") return {{"type", "json_object"}};
  return {
      {"type", "json_schema"},
      {"json_schema", {{"name", "ranking"}, {"strict", true}, {"schema", ranking_schema(labels)}}}};
}

// The member if it is there and not null.
const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_member(const Json& object, const char* key) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

// Content is a string, or a list of parts of which the "text" ones count.
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

// Both counts, or nothing: half a bill is no bill.
std::optional<TokenUsage> usage_of(const Json& body) {
  const Json* usage = member(body, "usage");
  if (usage == nullptr) return std::nullopt;
  try {
    return TokenUsage{.input = require_int(*usage, "prompt_tokens", 0, kMostTokens, "usage"),
                      .output = require_int(*usage, "completion_tokens", 0, kMostTokens, "usage")};
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Why the first choice is not a finished message; empty when it is.
std::string unfinished(const Json& choice, const Json& message) {
  const std::string finish = text_member(choice, "finish_reason");
  if (finish == "length") return "the reply was cut off (finish_reason length)";
  if (!finish.empty() && finish != "stop" && finish != "eos" && finish != "end_turn") {
    return "finish_reason is " + printable(finish).substr(0, 40);
  }
  if (!text_member(message, "refusal").empty()) return "the judge refused";
  return {};
}

void read_choice(const Json& body, Completion& completion) {
  const Json* choices = member(body, "choices");
  if (choices == nullptr || !choices->is_array() || choices->size() != 1) {
    completion.failure = "the body does not hold exactly one choice";
    return;
  }
  const Json& choice = (*choices)[0];
  const Json* message = member(choice, "message");
  if (member(choice, "error") != nullptr || message == nullptr) {
    completion.failure = "the choice holds no message";
    return;
  }
  completion.failure = unfinished(choice, *message);
  const std::optional<std::string> text = content_text(*message);
  if (text) completion.text = *text;
  if (!text && completion.failure.empty()) completion.failure = "the message has no content";
}

}  // namespace

const std::vector<Dialect>& dialects() {
  static const std::vector<Dialect> kDialects = {
      {.format = "json_schema", .limit_key = "max_completion_tokens"},
      {.format = "json_schema", .limit_key = "max_tokens"},
      {.format = "json_object", .limit_key = "max_completion_tokens"},
      {.format = "json_object", .limit_key = "max_tokens"},
      {.format = "text", .limit_key = "max_completion_tokens"},
      {.format = "text", .limit_key = "max_tokens"}};
  return kDialects;
}

ChatProtocol::ChatProtocol(const JudgeOptions& options, std::string rubric)
    : model_(options.model),
      max_output_tokens_(options.max_output_tokens),
      extra_body_(options.extra_body),
      rubric_(std::move(rubric)),
      dialect_(dialects().front()) {}

std::string ChatProtocol::request_body(const RankCall& call, const ShownCall& shown) const {
  Json body = {{"model", model_},
               {"messages",
                Json::array({{{"role", "system"}, {"content", system_text(rubric_)}},
                             {{"role", "user"}, {"content", user_text(call, shown)}}})},
               {dialect_.limit_key, max_output_tokens_}};
  if (dialect_.format != "text") {
    body["response_format"] = response_format(dialect_.format, shown.labels);
  }
  if (extra_body_.is_object()) {
    for (const auto& [key, value] : extra_body_.items()) body[key] = value;
  }
  return dump_json(body);
}

Completion ChatProtocol::read_body(const std::string& text) const {
  Completion completion;
  if (!is_valid_utf8(text)) {
    completion.failure = "the body is not UTF-8";
    return completion;
  }
  Json body;
  try {
    body = parse_json(text, "body");
  } catch (const Error& error) {
    completion.failure = error.what();
    return completion;
  }
  completion.usage = usage_of(body);
  if (member(body, "error") != nullptr) {
    completion.failure = "the server reported an error inside a success";
  } else {
    read_choice(body, completion);
  }
  return completion;
}

std::string CommandProtocol::request_body(const RankCall& call, const ShownCall& shown) const {
  Json answers = Json::array();
  for (size_t i = 0; i < shown.labels.size(); ++i) {
    answers.push_back({{"label", shown.labels[i]}, {"answer", call.answers[shown.order[i]]}});
  }
  return dump_json({{"rubric", rubric_},
                    {"instructions", call.prompt->system},
                    {"question", call.prompt->prompt},
                    {"answers", answers}}) +
         "\n";
}

Completion CommandProtocol::read_body(const std::string& body) const {
  if (!is_valid_utf8(body)) return {.text = {}, .failure = "the output is not UTF-8", .usage = {}};
  return {.text = body, .failure = {}, .usage = {}};
}

}  // namespace thoughtrank
