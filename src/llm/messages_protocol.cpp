#include "llm/messages_protocol.h"

#include <utility>

#include "llm/body_json.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

// Tokens read from or written to a prompt cache are input as well; both counts, or nothing.
std::optional<TokenUsage> message_usage(const Json& body) {
  const Json* usage = member(body, "usage");
  if (usage == nullptr) return std::nullopt;
  const auto input = token_count(*usage, "input_tokens");
  const auto written = token_count(*usage, "cache_creation_input_tokens", 0);
  const auto read = token_count(*usage, "cache_read_input_tokens", 0);
  const auto output = token_count(*usage, "output_tokens");
  if (!input || !written || !read || !output) return std::nullopt;
  return TokenUsage{
      .input = *input + *written + *read, .output = *output, .cached = *read, .written = *written};
}

// Why the message is not a finished one; empty when it is.
std::string unfinished_message(const Json& body) {
  const std::string reason = text_member(body, "stop_reason");
  if (reason == "end_turn" || reason == "stop_sequence") return {};
  if (reason == "refusal") return "the judge refused";
  if (reason == "max_tokens") return "the reply was cut off (stop_reason max_tokens)";
  return "stop_reason is '" + printable(reason).substr(0, 40) + "'";
}

}  // namespace

MessagesProtocol::MessagesProtocol(const ServerOptions& options)
    : model_(options.model),
      max_output_tokens_(options.max_output_tokens),
      extra_body_(options.extra_body) {}

std::string MessagesProtocol::body(const Question& question) const {
  const Json message = {{"role", "user"}, {"content", question.user}};
  Json body = {{"model", model_},
               {"max_tokens", max_output_tokens_},
               {"system", question.system},
               {"messages", Json::array({message})}};
  if (extra_body_.is_object()) {
    for (const auto& [key, value] : extra_body_.items()) body[key] = value;
  }
  return dump_json(body);
}

Completion MessagesProtocol::read_body(const std::string& text) const {
  Completion completion;
  const std::optional<Json> body = parse_body(text, completion.failure);
  if (!body) return completion;
  completion.usage = message_usage(*body);
  if (text_member(*body, "type") == "error" || member(*body, "error") != nullptr) {
    completion.failure = "the server reported an error inside a success";
    return completion;
  }
  completion.failure = unfinished_message(*body);
  const std::optional<std::string> content = content_text(*body);
  if (content) completion.text = *content;
  if (!content && completion.failure.empty()) completion.failure = "the message has no content";
  return completion;
}

// https://docs.anthropic.com/en/api/creating-message-batches
std::string MessagesProtocol::batch_line(const std::string& id, const std::string& body) const {
  return R"({"custom_id":)" + dump_json(id) + R"(,"params":)" + body + "}";
}

TransportReply MessagesProtocol::batch_reply(const Json& result) const {
  TransportReply reply;
  const Json* outcome = member(result, "result");
  const Json* message = outcome == nullptr ? nullptr : member(*outcome, "message");
  if (message == nullptr) {
    reply.failure = TransportFailure::unreachable;
    reply.detail = outcome == nullptr ? "the batch brought no result" : dump_json(*outcome);
    return reply;
  }
  reply.status = 200;
  reply.body = dump_json(*message);
  return reply;
}

}  // namespace thoughtrank
