// The wire formats: how a question becomes the bytes that one kind of server takes, and how the
// bytes of that server become the text of a reply. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/json.h"
#include "thoughtrank/llm/price.h"
#include "thoughtrank/llm/question.h"
#include "thoughtrank/llm/server_options.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

// What a body holds: the model's text, or why there is none.
struct Completion {
  std::string text;
  std::string failure;  // empty: `text` is a finished message
  std::optional<TokenUsage> usage;
};

// How much of the OpenAI dialect a server knows; found by a probe, remembered in the ledger.
enum class ReplyFormat : uint8_t {
  json_schema,
  json_object_schema,  // llama.cpp's way of giving a schema
  json_object,
  text
};
inline constexpr EnumWords<ReplyFormat, 4> kReplyFormats = {
    {{ReplyFormat::json_schema, "json_schema"},
     {ReplyFormat::json_object_schema, "json_object_schema"},
     {ReplyFormat::json_object, "json_object"},
     {ReplyFormat::text, "text"}}};
// The key by which a server reads the limit of a reply's length.
enum class LimitKey : uint8_t { max_completion_tokens, max_tokens };
inline constexpr EnumWords<LimitKey, 2> kLimitKeys = {
    {{LimitKey::max_completion_tokens, "max_completion_tokens"},
     {LimitKey::max_tokens, "max_tokens"}}};
struct Dialect {
  ReplyFormat format = ReplyFormat::json_schema;
  LimitKey limit_key = LimitKey::max_completion_tokens;
};
// Returns all dialects, from the most to the least demanding.
[[nodiscard]] const std::vector<Dialect>& dialects();

class Protocol {
 public:
  virtual ~Protocol() = default;
  [[nodiscard]] virtual std::string body(const Question& question) const = 0;
  [[nodiscard]] virtual Completion read_body(const std::string& body) const = 0;
  // Returns a request as a line of the provider's batch file. Throws Error(kConfig) where there is
  // no such thing.
  [[nodiscard]] virtual std::string batch_line(const std::string& id,
                                               const std::string& body) const = 0;
  // Returns a line of the batch's results as the reply that a call would have brought; a failure
  // where the batch did not answer.
  [[nodiscard]] virtual TransportReply batch_reply(const Json& result) const = 0;
};

// OpenAI-compatible chat completions (https://platform.openai.com/docs/api-reference/chat).
class ChatProtocol : public Protocol {
 public:
  explicit ChatProtocol(const ServerOptions& options);
  void speak(Dialect dialect) { dialect_ = dialect; }
  [[nodiscard]] std::string body(const Question& question) const override;
  [[nodiscard]] Completion read_body(const std::string& body) const override;
  [[nodiscard]] std::string batch_line(const std::string& id,
                                       const std::string& body) const override;
  [[nodiscard]] TransportReply batch_reply(const Json& result) const override;

 private:
  std::string model_;
  int64_t max_output_tokens_;
  Json extra_body_;
  Dialect dialect_;
};

// The question's fields as one line of JSON on a program's stdin; whatever it writes to its stdout
// is the reply.
class CommandProtocol : public Protocol {
 public:
  [[nodiscard]] std::string body(const Question& question) const override;
  [[nodiscard]] Completion read_body(const std::string& body) const override;
  [[nodiscard]] std::string batch_line(const std::string& id,
                                       const std::string& body) const override;
  [[nodiscard]] TransportReply batch_reply(const Json& result) const override;
};

}  // namespace thoughtrank
