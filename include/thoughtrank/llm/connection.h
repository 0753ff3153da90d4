// What stands between a channel and one server, made from the config: its name and address, the
// wire format, the transport, the key and the price.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "thoughtrank/core/secret.h"
#include "thoughtrank/llm/ledger.h"
#include "thoughtrank/llm/price.h"
#include "thoughtrank/llm/protocol.h"
#include "thoughtrank/llm/server_options.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

struct Connection {
  std::string name;      // "openai:some-judge"
  std::string endpoint;  // part of each request's hash
  std::string model;
  std::unique_ptr<Protocol> protocol;
  ChatProtocol* chat = nullptr;  // `protocol` when it is one
  std::shared_ptr<const Secret> secret;
  std::unique_ptr<Transport> transport;  // null in a replay; outlived by `secret`
  Price price;
};

[[nodiscard]] std::unique_ptr<Protocol> make_protocol(ServerKind kind,
                                                      const ServerOptions& options);

struct ConnectionOptions {
  std::optional<ServerKind> kind;  // nullopt: a replay, which sends nothing
  double max_usd = 0;              // 0: the server has to be free
};

// Throws Error(kConfig | kCredentials) for settings that cannot work. A replay speaks as the run
// did that filled the ledger: whether as openai or as anthropic stands there.
[[nodiscard]] Connection open_connection(const ServerOptions& server,
                                         const ConnectionOptions& options,
                                         Ledger& ledger);

}  // namespace thoughtrank
