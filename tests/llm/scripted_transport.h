// A transport that answers as a script says, without a network; for tests of the client.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "thoughtrank/core/json.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

inline std::string reply_body(int64_t input, int64_t output) {
  return dump_json(
      {{"choices", Json::array({{{"message", {{"content", "text"}}}, {"finish_reason", "stop"}}})},
       {"usage", {{"prompt_tokens", input}, {"completion_tokens", output}}}});
}

inline TransportReply good_reply(int64_t input = 10, int64_t output = 1) {
  TransportReply reply;
  reply.status = 200;
  reply.content_type = "application/json";
  reply.body = reply_body(input, output);
  return reply;
}

inline TransportReply status_reply(int status, double retry_after_s = 0) {
  TransportReply reply;
  reply.status = status;
  reply.retry_after_s = retry_after_s;
  return reply;
}

inline TransportReply failed_reply(TransportFailure failure) {
  TransportReply reply;
  reply.failure = failure;
  reply.detail = "scripted";
  return reply;
}

// Answers each request, the latest first, from `script` (given the request's number from 1).
class ScriptedTransport : public Transport {
 public:
  explicit ScriptedTransport(std::function<TransportReply(int)> script)
      : script_(std::move(script)) {}

  void start(uint64_t ticket, std::string body) override {
    flying_.emplace_back(ticket, std::move(body));
    ++started;
    most_flying = std::max(most_flying, flying_.size());
    if (on_start) on_start(flying_.back().second);
  }
  [[nodiscard]] std::vector<FinishedTransfer> wait(double /*timeout_s*/) override {
    if (flying_.empty()) return {};
    const uint64_t ticket = flying_.back().first;
    flying_.pop_back();
    return {{ticket, script_(static_cast<int>(ticket))}};
  }

  [[nodiscard]] size_t flying() const { return flying_.size(); }

  int started = 0;
  size_t most_flying = 0;
  std::function<void(const std::string& body)> on_start;

 private:
  std::function<TransportReply(int)> script_;
  std::vector<std::pair<uint64_t, std::string>> flying_;
};

}  // namespace thoughtrank
