#include "thoughtrank/llm/outcome.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "llm/body_json.h"
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

// What a JSON body says of an error: its member "error", in an array (Gemini's) that of its first
// entry; the body itself where it calls itself an error (vLLM, SGLang, Mistral), or where "error"
// is a text beside a "code" (xAI) or a type (TGI).
std::optional<Json> error_in(const std::string& body) {
  std::optional<Json> json;
  try {
    json = parse_json(body, "body");
  } catch (const Error&) {  // no JSON, no error object
    return std::nullopt;
  }
  if (json->is_array() && !json->empty()) json = Json(json->front());
  const Json* error = member(*json, "error");
  if (error == nullptr) {
    return text_member(*json, "object") == "error" ? json : std::nullopt;
  }
  if (!error->is_string()) return *error;
  return Json{{"message", *error}, {"code", text_member(*json, "code")}};
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
  return text_member(*error, "code") + "\n" + text_member(*error, "type") + "\n" +
         text_member(*error, "message").substr(0, kMessageBytes);
}

bool names_money(const std::string& words) {
  constexpr std::array<const char*, 13> kWords = {"insufficient_quota",
                                                  "Insufficient Balance",
                                                  "any credits",
                                                  "all available credits",
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

// Numbers of three digits and more, as "5000", "32,768".
std::vector<int64_t> counts_in(const std::string& words) {
  constexpr size_t kLeastDigits = 3, kMostDigits = 12;
  std::vector<int64_t> counts;
  std::string digits;
  const auto end_number = [&] {
    if (digits.size() >= kLeastDigits && digits.size() <= kMostDigits) {
      counts.push_back(std::stoll(digits));
    }
    digits.clear();
  };
  for (size_t at = 0; at < words.size(); ++at) {
    const auto is_digit = [&](size_t i) {
      return i < words.size() && words[i] >= '0' && words[i] <= '9';
    };
    const bool is_separator = words[at] == ',' && !digits.empty() && is_digit(at + 1);
    if (is_digit(at)) {
      digits += words[at];
    } else if (!is_separator) {
      end_number();
    }
  }
  end_number();
  return counts;
}

// Two counts of tokens, one above the other, of what was sent: every server has words of its own.
// A limit of the reply has two as well ("max_tokens is too large: 32768. This model supports at
// most 16384 completion tokens"), and a shorter prompt would not help there.
bool names_two_counts(const std::string& words) {
  constexpr std::array<const char*, 4> kOfWhatWasSent = {"input", "prompt", "Prompt", "context"};
  constexpr std::array<const char*, 3> kOfTheReply = {
      "max_tokens", "max_completion_tokens", "should be less than"};
  if (has_any(words, kOfTheReply)) return false;
  if (words.find("token") == std::string::npos || !has_any(words, kOfWhatWasSent)) return false;
  const std::vector<int64_t> counts = counts_in(words);
  if (counts.size() < 2) return false;
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return *least < *most;
}

// A context that the request does not fit into, in the words of OpenAI, vLLM, SGLang, llama.cpp,
// Anthropic, Groq, LiteLLM, Bedrock and LM Studio.
bool names_length(const std::string& words) {
  constexpr std::array<const char*, 17> kWords = {"context_length_exceeded",
                                                  "maximum context length",
                                                  "exceed_context_size",
                                                  "exceeds the available context",
                                                  "prompt is too long",
                                                  "request_too_large",
                                                  "Request too large",
                                                  "exceed context window",
                                                  "exceeds the context window",
                                                  "ContextWindowExceeded",
                                                  "longer than the model's context",
                                                  "greater than the context length",
                                                  "nput is too long",
                                                  "maximum prompt length",
                                                  "maximum number of tokens allowed",
                                                  "too large for model with",
                                                  "long context requests"};
  return has_any(words, kWords);
}

bool names_model(const std::string& words, int status) {
  constexpr std::array<const char*, 5> kWords = {"model_not_found",
                                                 "not have access to model",
                                                 "not have access to the model",
                                                 "not found, try pulling it first",
                                                 "not_found_error\nmodel:"};
  const bool does_not_exist = status == 404 && words.find("model") != std::string::npos &&
                              words.find("does not exist") != std::string::npos;
  return does_not_exist || has_any(words, kWords);
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
  const bool is_about_model = status == 400 || status == 403 || status == 404;
  if (is_about_model && names_model(words, status)) return {Outcome::no_model, message, false};
  if (status == 401 || status == 403) return {Outcome::no_credentials, message, false};
  const bool is_bad_request = status == 400 || status == 422;
  if (status == 413 || (status < 500 && names_length(words)) ||
      (is_bad_request && names_two_counts(words))) {
    return {Outcome::too_long, message, false};
  }
  // Groq's model failed to write JSON, this time: a reply that is none, billed and asked for again
  // like every other.
  if (words.find("json_validate_failed") != std::string::npos) return {};
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
