#include "thoughtrank/llm/protocol.h"

#include <algorithm>
#include <array>
#include <utility>

#include "llm/body_json.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

Json ranking_schema(const std::vector<std::string>& labels) {
  const Json label = {{"type", "string"}, {"enum", labels}};
  return {{"type", "object"},
          {"properties", {{"ranking", {{"type", "array"}, {"items", label}}}}},
          {"required", Json::array({"ranking"})},
          {"additionalProperties", false}};
}

Json response_format(ReplyFormat format, const std::vector<std::string>& labels) {
  if (format == ReplyFormat::json_object) return {{"type", "json_object"}};
  Json schema = ranking_schema(labels);
  if (format == ReplyFormat::json_object_schema) {  // becomes a grammar, which knows counts
    Json& ranking = schema["properties"]["ranking"];
    ranking["minItems"] = ranking["maxItems"] = labels.size();
    return {{"type", "json_object"}, {"schema", schema}};
  }
  return {{"type", "json_schema"},
          {"json_schema", {{"name", "ranking"}, {"strict", true}, {"schema", schema}}}};
}

// A count inside the usage, 0 where it is not stated or makes no sense.
int64_t detail(const Json& usage, const char* group, const char* key) {
  const Json* details = member(usage, group);
  return details == nullptr ? 0 : token_count(*details, key, 0).value_or(0);
}

// What was billed as output. Some servers count a judge's thinking in completion_tokens (OpenAI),
// some beside it and only in the total (Gemini), some beside it with a count of its own (xAI).
int64_t billed_output(const Json& usage, int64_t input, int64_t completion) {
  const int64_t total = token_count(usage, "total_tokens", 0).value_or(0);
  if (total > 0) return std::max(completion, total - input);
  const int64_t thinking = detail(usage, "completion_tokens_details", "reasoning_tokens");
  return thinking > completion ? completion + thinking : completion;
}

// OpenRouter's bill in dollars; with a key of one's own the provider is paid beside it. A bill of
// nothing is none: gateways that know no price write 0.
std::optional<double> stated_bill(const Json& usage) {
  constexpr double kMostUsd = 1e6;
  const auto dollars = [](const Json* value) {
    const bool is_number = value != nullptr && value->is_number();
    const double usd = is_number ? value->get<double>() : 0;
    return usd > 0 && usd <= kMostUsd ? usd : 0;
  };
  const Json* own_key = member(usage, "is_byok");
  const Json* details = member(usage, "cost_details");
  double bill = dollars(member(usage, "cost"));
  if (own_key != nullptr && own_key->is_boolean() && own_key->get<bool>()) {
    const double upstream =
        dollars(details == nullptr ? nullptr : member(*details, "upstream_inference_cost"));
    bill = upstream > 0 ? bill + upstream : 0;
  }
  return bill > 0 ? std::optional(bill) : std::nullopt;
}

// Both counts, or nothing: half a bill is no bill.
std::optional<TokenUsage> usage_of(const Json& body) {
  const Json* usage = member(body, "usage");
  if (usage == nullptr) return std::nullopt;
  const auto input = token_count(*usage, "prompt_tokens");
  const auto completion = token_count(*usage, "completion_tokens");
  if (!input || !completion) return std::nullopt;
  const int64_t cached = detail(*usage, "prompt_tokens_details", "cached_tokens");
  const int64_t written = detail(*usage, "prompt_tokens_details", "cache_write_tokens");
  return TokenUsage{.input = *input,
                    .output = billed_output(*usage, *input, *completion),
                    .cached = std::min(cached, *input),
                    .written = std::min(written, *input - std::min(cached, *input)),
                    .usd = stated_bill(*usage)};
}

// Why the first choice is not a finished message; empty when it is.
std::string unfinished(const Json& choice, const Json& message) {
  const std::string finish = text_member(choice, "finish_reason");
  if (finish == "length") return "the reply was cut off (finish_reason length)";
  constexpr std::array<const char*, 6> kFinished = {
      "", "stop", "eos", "eos_token", "end_turn", "stop_sequence"};
  if (std::find(kFinished.begin(), kFinished.end(), finish) == kFinished.end()) {
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
  static const std::vector<Dialect> kDialects = [] {
    std::vector<Dialect> all;
    for (const auto& [format, format_word] : kReplyFormats) {
      for (const auto& [key, key_word] : kLimitKeys) all.push_back({format, key});
    }
    return all;
  }();
  return kDialects;
}

ChatProtocol::ChatProtocol(const ServerOptions& options)
    : model_(options.model),
      max_output_tokens_(options.max_output_tokens),
      extra_body_(options.extra_body),
      dialect_(dialects().front()) {}

std::string ChatProtocol::body(const Question& question) const {
  Json body = {{"model", model_},
               {"messages",
                Json::array({{{"role", "system"}, {"content", question.system}},
                             {{"role", "user"}, {"content", question.user}}})},
               {word_of(dialect_.limit_key, kLimitKeys), max_output_tokens_}};
  if (dialect_.format != ReplyFormat::text) {
    body["response_format"] = response_format(dialect_.format, question.labels);
  }
  if (extra_body_.is_object()) {
    for (const auto& [key, value] : extra_body_.items()) body[key] = value;
  }
  return dump_json(body);
}

Completion ChatProtocol::read_body(const std::string& text) const {
  Completion completion;
  const std::optional<Json> body = parse_body(text, completion.failure);
  if (!body) return completion;
  completion.usage = usage_of(*body);
  if (member(*body, "error") != nullptr) {
    completion.failure = "the server reported an error inside a success";
  } else {
    read_choice(*body, completion);
  }
  return completion;
}

// https://platform.openai.com/docs/api-reference/batch
std::string ChatProtocol::batch_line(const std::string& id, const std::string& body) const {
  return R"({"custom_id":)" + dump_json(id) +
         R"(,"method":"POST","url":"/v1/chat/completions","body":)" + body + "}";
}

TransportReply ChatProtocol::batch_reply(const Json& result) const {
  TransportReply reply;
  const Json* response = member(result, "response");
  const Json* body = response == nullptr ? nullptr : member(*response, "body");
  if (body == nullptr) {
    const Json* error = member(result, "error");
    reply.failure = TransportFailure::unreachable;
    reply.detail = error == nullptr ? "the batch brought no response" : dump_json(*error);
    return reply;
  }
  reply.status = static_cast<int>(token_count(*response, "status_code", 200).value_or(500));
  reply.body = dump_json(*body);
  return reply;
}

std::string CommandProtocol::batch_line(const std::string& /*id*/,
                                        const std::string& /*body*/) const {
  fail(ExitCode::kConfig, "judge.kind command: a program has no batch files");
}

TransportReply CommandProtocol::batch_reply(const Json& /*result*/) const {
  fail(ExitCode::kConfig, "judge.kind command: a program has no batch files");
}

std::string CommandProtocol::body(const Question& question) const {
  return dump_json(question.fields) + "\n";
}

Completion CommandProtocol::read_body(const std::string& body) const {
  if (!is_valid_utf8(body)) return {.text = {}, .failure = "the output is not UTF-8", .usage = {}};
  return {.text = body, .failure = {}, .usage = {}};
}

}  // namespace thoughtrank
