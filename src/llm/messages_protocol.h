// Anthropic's messages (https://docs.anthropic.com/en/api/messages): the system text beside the
// messages, max_tokens required, content in blocks, stop_reason, its own names of tokens and
// errors. Answers come as text; the strict parser does the rest. Pure functions.
#pragma once

#include <string>

#include "thoughtrank/llm/protocol.h"

namespace thoughtrank {

class MessagesProtocol : public Protocol {
 public:
  static constexpr const char* kVersionHeader = "anthropic-version: 2023-06-01";
  static constexpr const char* kKeyHeader = "x-api-key: ";

  explicit MessagesProtocol(const ServerOptions& options);
  [[nodiscard]] std::string body(const Question& question) const override;
  [[nodiscard]] Completion read_body(const std::string& body) const override;
  [[nodiscard]] std::string batch_line(const std::string& id,
                                       const std::string& body) const override;
  [[nodiscard]] TransportReply batch_reply(const Json& result) const override;

 private:
  std::string model_;
  int64_t max_output_tokens_;
  Json extra_body_;
};

}  // namespace thoughtrank
