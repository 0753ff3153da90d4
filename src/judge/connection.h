// What stands between the client and one judge, made from the config: its name and address, the
// wire format, the transport, the key and the price.
#pragma once

#include <memory>
#include <string>

#include "judge/ledger.h"
#include "judge/price.h"
#include "judge/protocol.h"
#include "judge/transport.h"
#include "thoughtrank/core/secret.h"

namespace thoughtrank {

struct Connection {
  std::string name;      // "openai:some-judge"
  std::string endpoint;  // part of each request's hash
  std::unique_ptr<Protocol> protocol;
  ChatProtocol* chat = nullptr;  // `protocol` when it is one
  std::shared_ptr<const Secret> secret;
  std::unique_ptr<Transport> transport;  // outlived by `secret`
  Price price;
};

// Error(kConfig | kCredentials) for settings that cannot work. judge.kind replay connects to
// nothing; whether it speaks as openai or anthropic did is in the ledger.
[[nodiscard]] Connection open_connection(const JudgeOptions& options,
                                         const std::string& rubric,
                                         Ledger& ledger);

}  // namespace thoughtrank
