// The wire formats: how a ranking request becomes the bytes of one kind of judge, and how that
// judge's bytes become the text of a reply. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "judge/request_text.h"
#include "judge/transport.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

struct TokenUsage {
  int64_t input = 0;
  int64_t output = 0;
};

// What a body holds: the judge's text, or why there is none.
struct Completion {
  std::string text;
  std::string failure;  // empty: `text` is a finished message
  std::optional<TokenUsage> usage;
};

// How much of the OpenAI dialect a server knows; found by a probe, remembered in the ledger.
struct Dialect {
  // json_schema | json_object_schema (llama.cpp's way of giving one) | json_object | text
  std::string format = "json_schema";
  std::string limit_key = "max_completion_tokens";  // or max_tokens
};
// From the most to the least demanding.
[[nodiscard]] const std::vector<Dialect>& dialects();

class Protocol {
 public:
  virtual ~Protocol() = default;
  [[nodiscard]] virtual std::string request_body(const RankCall& call,
                                                 const ShownCall& shown) const = 0;
  [[nodiscard]] virtual Completion read_body(const std::string& body) const = 0;
  // A request as a line of the provider's batch file. Error(kConfig) where there is no such thing.
  [[nodiscard]] virtual std::string batch_line(const std::string& id,
                                               const std::string& body) const = 0;
  // A line of the batch's results as the reply that a call would have brought; a failure where the
  // batch did not answer.
  [[nodiscard]] virtual TransportReply batch_reply(const Json& result) const = 0;
};

// OpenAI-compatible chat completions (https://platform.openai.com/docs/api-reference/chat).
class ChatProtocol : public Protocol {
 public:
  ChatProtocol(const JudgeOptions& options, std::string rubric);
  void speak(Dialect dialect) { dialect_ = std::move(dialect); }
  [[nodiscard]] std::string request_body(const RankCall& call,
                                         const ShownCall& shown) const override;
  [[nodiscard]] Completion read_body(const std::string& body) const override;
  [[nodiscard]] std::string batch_line(const std::string& id,
                                       const std::string& body) const override;
  [[nodiscard]] TransportReply batch_reply(const Json& result) const override;

 private:
  std::string model_;
  int64_t max_output_tokens_;
  Json extra_body_;
  std::string rubric_;
  Dialect dialect_;
};

// {"rubric", "instructions", "question", "answers": [{"label", "answer"}]} on a program's stdin;
// {"ranking": […]} from its stdout.
class CommandProtocol : public Protocol {
 public:
  explicit CommandProtocol(std::string rubric) : rubric_(std::move(rubric)) {}
  [[nodiscard]] std::string request_body(const RankCall& call,
                                         const ShownCall& shown) const override;
  [[nodiscard]] Completion read_body(const std::string& body) const override;
  [[nodiscard]] std::string batch_line(const std::string& id,
                                       const std::string& body) const override;
  [[nodiscard]] TransportReply batch_reply(const Json& result) const override;

 private:
  std::string rubric_;
};

}  // namespace thoughtrank
