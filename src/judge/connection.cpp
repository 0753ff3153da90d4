#include "judge/connection.h"

#include <filesystem>
#include <utility>

#include "judge/command_transport.h"
#include "judge/credentials.h"
#include "judge/curl_transport.h"
#include "judge/messages_protocol.h"

namespace thoughtrank {
namespace {

// Replay never sends; the client refuses what the ledger does not hold before it comes here.
class NoTransport : public Transport {
 public:
  void start(uint64_t /*ticket*/, std::string /*body*/) override {
    fail(ExitCode::kInternal, "judge.kind replay: nothing may be sent");
  }
  [[nodiscard]] std::vector<FinishedTransfer> wait(double /*timeout_s*/) override { return {}; }
};

void check_extra_body(const Json& extra) {
  if (extra.is_null()) return;
  if (!extra.is_object()) fail(ExitCode::kConfig, "judge.extra_body: expected a mapping");
  for (const char* key : {"messages",
                          "system",
                          "model",
                          "stream",
                          "n",
                          "best_of",
                          "max_tokens",
                          "max_completion_tokens",
                          "response_format"}) {
    if (extra.contains(key)) {
      fail(ExitCode::kConfig, "judge.extra_body: '{}' is set by the program. Remove it", key);
    }
  }
}

Connection open_program(const JudgeOptions& options, const std::string& rubric) {
  if (options.command.empty()) {
    fail(ExitCode::kConfig, "judge.kind command: judge.command is empty. Name a program");
  }
  Connection connection;
  connection.name = "command:" + std::filesystem::path(options.command[0]).filename().string();
  connection.endpoint = connection.name;
  connection.protocol = std::make_unique<CommandProtocol>(rubric);
  connection.secret = std::make_shared<const Secret>();
  if (options.kind == "replay") return connection;
  connection.transport = std::make_unique<CommandTransport>(options.command, options.timeout_s);
  return connection;
}

// openai or anthropic; a replay speaks as the run did that filled the ledger.
std::string protocol_kind(const JudgeOptions& options, Ledger& ledger) {
  const std::string name = "protocol of " + options.base_url + " " + options.model;
  const Json* known = ledger.note(name);
  if (options.kind == "replay") return known == nullptr ? "openai" : known->get<std::string>();
  if (options.kind == "anthropic" && known == nullptr) ledger.remember(name, options.kind);
  return options.kind;
}

Connection open_server(const JudgeOptions& options, const std::string& rubric, Ledger& ledger) {
  if (options.model.empty()) {
    fail(ExitCode::kConfig, "judge.kind {0}: judge.model is empty. Name the model", options.kind);
  }
  check_extra_body(options.extra_body);
  const std::string kind = protocol_kind(options, ledger);
  const bool is_anthropic = kind == "anthropic";
  CurlOptions curl{
      .endpoint = judge_endpoint(
          options.base_url, is_anthropic ? "/messages" : "/chat/completions", options.allow_http),
      .timeout_s = options.timeout_s,
      .ca_file = options.ca_file,
      .proxy = options.proxy};
  Connection connection;
  connection.name = kind + ":" + options.model;
  connection.endpoint = curl.endpoint.url;
  if (is_anthropic) {
    connection.protocol = std::make_unique<MessagesProtocol>(options, rubric);
    curl.key_header = MessagesProtocol::kKeyHeader;
    curl.headers = {MessagesProtocol::kVersionHeader};
  } else {
    auto chat = std::make_unique<ChatProtocol>(options, rubric);
    connection.chat = chat.get();
    connection.protocol = std::move(chat);
  }
  connection.secret = std::make_shared<const Secret>();
  if (options.kind == "replay") return connection;
  connection.price = price_of(options, find_price_file());
  connection.secret = judge_key(options);
  connection.transport = std::make_unique<CurlTransport>(std::move(curl), *connection.secret);
  return connection;
}

}  // namespace

Connection open_connection(const JudgeOptions& options, const std::string& rubric, Ledger& ledger) {
  const bool is_replay = options.kind == "replay";
  const bool is_program = options.kind == "command" || (is_replay && !options.command.empty());
  Connection connection =
      is_program ? open_program(options, rubric) : open_server(options, rubric, ledger);
  if (is_replay) connection.transport = std::make_unique<NoTransport>();
  if (!connection.price.is_free() && options.max_usd == 0) {
    fail(ExitCode::kConfig,
         "judge.max_usd is 0 and '{}' costs money. Set judge.max_usd to what "
         "the whole run may spend",
         options.model);
  }
  return connection;
}

}  // namespace thoughtrank
