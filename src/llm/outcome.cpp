#include "thoughtrank/llm/outcome.h"

#include <algorithm>
#include <array>
#include <optional>

#include "thoughtrank/core/json.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

Classified of_transport_failure(const TransportReply& reply) {
  switch (reply.failure) {
    case TransportFailure::untrusted:
      return {Outcome::untrusted, reply.detail, false};
    case TransportFailure::unreachable:
      return {Outcome::retry, reply.detail, false};
    case TransportFailure::program:
      return {Outcome::failed, "the program failed: " + reply.detail, false};
    case TransportFailure::too_large:
      return {Outcome::failed, reply.detail, true};
    default:
      return {Outcome::retry, reply.detail, true};
  }
}

// The "error" member of a JSON body.
std::optional<Json> error_in(const std::string& body) {
  try {
    const Json json = parse_json(body, "body");
    const auto found = json.is_object() ? json.find("error") : json.end();
    if (json.is_object() && found != json.end() && !found->is_null()) return *found;
  } catch (const Error&) {  // no JSON, no error object
  }
  return std::nullopt;
}

std::string word_of(const Json& error, const char* key) {
  const auto found = error.is_object() ? error.find(key) : error.end();
  return error.is_object() && found != error.end() && found->is_string() ? found->get<std::string>()
                                                                         : std::string();
}

template <size_t N>
bool has_any(const std::string& text, const std::array<const char*, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](const char* word) {
    return text.find(word) != std::string::npos;
  });
}

// What an error says: its code and type, and the beginning of its message. The rest may quote the
// request, and with it an answer.
std::string error_words(const std::string& body, const std::optional<Json>& error) {
  constexpr size_t kMessageBytes = 200;
  if (!error) return body.substr(0, kMessageBytes);
  if (!error->is_object()) return dump_json(*error).substr(0, kMessageBytes);
  return word_of(*error, "code") + "\n" + word_of(*error, "type") + "\n" +
         word_of(*error, "message").substr(0, kMessageBytes);
}

bool names_money(const std::string& words) {
  constexpr std::array<const char*, 10> kWords = {"insufficient_quota",
                                                  "billing_hard_limit_reached",
                                                  "billing_not_active",
                                                  "billing_error",
                                                  "insufficient_balance",
                                                  "insufficient_credits",
                                                  "credit balance is too low",
                                                  "Key limit exceeded",
                                                  "spending limit",
                                                  "specified API usage limits"};
  return has_any(words, kWords);
}

// A context that the request does not fit into, as OpenAI, vLLM, llama.cpp, Anthropic and Groq say
// it.
bool names_length(const std::string& words) {
  constexpr std::array<const char*, 8> kWords = {"context_length_exceeded",
                                                 "maximum context length",
                                                 "exceed_context_size",
                                                 "exceeds the available context",
                                                 "prompt is too long",
                                                 "request_too_large",
                                                 "Request too large",
                                                 "exceed context window"};
  return has_any(words, kWords);
}

// llama-cpp-python says status 500 to a request that its own checks refuse.
bool names_refusal(const std::string& words) {
  constexpr std::array<const char*, 4> kWords = {
      "validation error", "response_format", "max_completion_tokens", "max_tokens"};
  return has_any(words, kWords);
}

// Errors inside a 200 carry the status they stand for as "code".
int status_of(const TransportReply& reply, const std::optional<Json>& error) {
  if (!error || reply.status != 200 || !error->is_object()) return reply.status;
  const auto code = error->find("code");
  if (code == error->end() || !code->is_number_integer()) return reply.status;
  const auto value = code->get<int64_t>();
  return value >= 400 && value < 600 ? static_cast<int>(value) : reply.status;
}

std::string message_of(int status, const std::string& body, const std::optional<Json>& error) {
  std::string text = body;
  if (error) text = error->is_object() ? error->value("message", Json()).dump() : dump_json(*error);
  return fmt::format("status {}: {}", status, printable(to_valid_utf8(text.substr(0, 300))));
}

bool is_transient(int status) {
  return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

}  // namespace

Classified classify(const TransportReply& reply) {
  if (reply.failure != TransportFailure::none) return of_transport_failure(reply);
  const std::optional<Json> error = error_in(reply.body);
  const int status = status_of(reply, error);
  if (status == 200) {
    const std::string& type = reply.content_type;
    if (type.empty() || type.find("json") != std::string::npos) return {};
    return {Outcome::failed, "the reply is " + printable(type) + ", not JSON", true};
  }
  const std::string message = message_of(status, reply.body, error);
  const std::string words = error_words(reply.body, error);
  if (status == 402 || names_money(words)) return {Outcome::no_money, message, false};
  // The judge's provider will not read these answers; the key is good.
  if (status == 403 && words.find("flagged") != std::string::npos) {
    return {Outcome::failed, message, false};
  }
  if (status == 401 || status == 403) return {Outcome::no_credentials, message, false};
  if (status == 413 || (status < 500 && names_length(words))) {
    return {Outcome::too_long, message, false};
  }
  if (status >= 300 && status < 400) {
    return {Outcome::failed, fmt::format("status {}: redirects are not followed", status), false};
  }
  const bool is_refusal = status == 500 && names_refusal(words);
  const bool may_be_better = is_transient(status) && !is_refusal;
  return {may_be_better ? Outcome::retry : Outcome::failed, message, false};
}

bool is_overload(const TransportReply& reply) {
  if (reply.failure != TransportFailure::none) return reply.failure == TransportFailure::timeout;
  const int status = status_of(reply, error_in(reply.body));
  return status == 429 || status == 503 || status == 529;
}

}  // namespace thoughtrank
