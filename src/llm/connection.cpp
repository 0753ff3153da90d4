#include "thoughtrank/llm/connection.h"

#include <ctime>
#include <filesystem>
#include <utility>

#include "llm/command_transport.h"
#include "llm/curl_transport.h"
#include "llm/messages_protocol.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/llm/credentials.h"

namespace thoughtrank {
namespace {

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

Connection open_program(const ServerOptions& server, bool is_replay) {
  if (server.command.empty()) {
    fail(ExitCode::kConfig, "judge.kind command: judge.command is empty. Name a program");
  }
  Connection connection;
  connection.name = "command:" + std::filesystem::path(server.command[0]).filename().string();
  connection.endpoint = connection.name;
  connection.protocol = make_protocol(ServerKind::command, server);
  connection.secret = std::make_shared<const Secret>();
  if (is_replay) return connection;
  connection.transport = std::make_unique<CommandTransport>(server.command, server.timeout_s);
  return connection;
}

// Which kind of server an earlier run spoke to stands in the ledger; openai where nothing does.
ServerKind recorded_kind(const ServerOptions& server,
                         std::optional<ServerKind> kind,
                         Ledger& ledger) {
  const std::string name = "protocol of " + server.base_url + " " + server.model;
  const Json* known = ledger.note(name);
  if (kind) {
    const bool is_news = *kind == ServerKind::anthropic && known == nullptr;
    if (is_news) ledger.remember(name, word_of(*kind, kServerKinds));
    return *kind;
  }
  if (known == nullptr) return ServerKind::openai;
  const std::optional<ServerKind> recorded = value_of(known->get<std::string>(), kServerKinds);
  if (!recorded) fail(ExitCode::kBadData, "{}: unknown protocol {}", name, dump_json(*known));
  return *recorded;
}

CurlOptions curl_options(const ServerOptions& server, ServerKind kind) {
  const bool is_anthropic = kind == ServerKind::anthropic;
  CurlOptions curl{
      .endpoint = server_endpoint(
          server.base_url, is_anthropic ? "/messages" : "/chat/completions", server.allow_http),
      .timeout_s = server.timeout_s,
      .ca_file = server.ca_file,
      .proxy = server.proxy};
  if (is_anthropic) {
    curl.key_header = MessagesProtocol::kKeyHeader;
    curl.headers = {MessagesProtocol::kVersionHeader};
  }
  return curl;
}

// A run that goes on for weeks should know.
void warn_of_end(const ServerOptions& server, const std::filesystem::path& prices) {
  constexpr int64_t kDaysBefore = 90;
  if (!server.price.is_null()) return;  // the file is not asked
  const std::string ends = end_of_model(server, prices);
  const auto days = days_until(ends, static_cast<double>(std::time(nullptr)));
  if (!days || *days > kDaysBefore) return;
  log_warning(
      "judge: {} {} on {} ({}). Verdicts of two judges cannot be compared: begin with one "
      "that stays",
      server.model,
      *days < 0 ? "was shut down" : "is shut down",
      ends,
      prices.string());
}

Connection open_server(const ServerOptions& server,
                       std::optional<ServerKind> given,
                       Ledger& ledger) {
  if (server.model.empty()) {
    fail(ExitCode::kConfig,
         "judge.kind {0}: judge.model is empty. Name the model",
         given ? word_of(*given, kServerKinds) : "replay");
  }
  check_extra_body(server.extra_body);
  const ServerKind kind = recorded_kind(server, given, ledger);
  CurlOptions curl = curl_options(server, kind);
  Connection connection;
  connection.name = word_of(kind, kServerKinds) + ":" + server.model;
  connection.endpoint = curl.endpoint.url;
  connection.model = server.model;
  connection.protocol = make_protocol(kind, server);
  connection.chat = dynamic_cast<ChatProtocol*>(connection.protocol.get());
  connection.secret = std::make_shared<const Secret>();
  if (!given) return connection;
  const auto prices = find_price_file();
  connection.price = price_of(server, prices, kind);
  if (prices && !curl.endpoint.is_loopback) warn_of_end(server, *prices);
  connection.secret = server_key(server);
  connection.transport = std::make_unique<CurlTransport>(std::move(curl), *connection.secret);
  return connection;
}

}  // namespace

std::unique_ptr<Protocol> make_protocol(ServerKind kind, const ServerOptions& options) {
  switch (kind) {
    case ServerKind::openai:
      return std::make_unique<ChatProtocol>(options);
    case ServerKind::anthropic:
      return std::make_unique<MessagesProtocol>(options);
    case ServerKind::command:
      return std::make_unique<CommandProtocol>();
  }
  fail(ExitCode::kInternal, "a kind of server without a protocol");
}

Connection open_connection(const ServerOptions& server,
                           const ConnectionOptions& options,
                           Ledger& ledger) {
  const bool is_replay = !options.kind;
  const bool is_program =
      is_replay ? !server.command.empty() : *options.kind == ServerKind::command;
  Connection connection =
      is_program ? open_program(server, is_replay) : open_server(server, options.kind, ledger);
  if (!connection.price.is_free() && options.max_usd == 0) {
    fail(ExitCode::kConfig,
         "judge.max_usd is 0 and '{}' costs money. Set judge.max_usd to what "
         "the whole run may spend",
         server.model);
  }
  return connection;
}

}  // namespace thoughtrank
