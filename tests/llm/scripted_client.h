// A client over a scripted transport, on a clock that nobody waits for.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "llm/client.h"
#include "llm/llm_room.h"
#include "llm/scripted_transport.h"

namespace thoughtrank {

struct ScriptedOptions {
  ClientOptions client = {};
  CallAccounts::Options accounts = {};
};

class ScriptedClientTest : public LlmTest {
 protected:
  // Submits `calls` requests and gathers every reply.
  std::vector<Reply> ask(Ledger& accounts,
                         Transport& transport,
                         int calls,
                         const ScriptedOptions& options = {}) {
    Client client = make_client(accounts, transport, options);
    for (int n = 0; n < calls; ++n) {
      client.submit(static_cast<uint64_t>(n), "request " + std::to_string(n));
    }
    std::vector<Reply> all;
    while (client.pending() > 0) {
      for (Reply& reply : client.wait()) all.push_back(std::move(reply));
    }
    return all;
  }

  [[nodiscard]] Client make_client(Ledger& accounts,
                                   Transport& transport,
                                   const ScriptedOptions& options) {
    return {options.client,
            CallAccounts(options.accounts, accounts, protocol_),
            {.transport = transport, .key = key_, .clock = clock_, .stop = stop_}};
  }

  ChatProtocol protocol_{ServerOptions()};
  Secret key_;
};

}  // namespace thoughtrank
