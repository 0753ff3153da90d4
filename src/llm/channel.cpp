#include "thoughtrank/llm/channel.h"

#include "llm/batch_writer.h"
#include "llm/client.h"
#include "llm/replay.h"

namespace thoughtrank {

std::unique_ptr<Channel> open_channel(const Connection& connection,
                                      const ChannelOptions& options,
                                      const ChannelParts& parts) {
  CallAccounts accounts = accounts_of(connection, options, parts.ledger);
  if (connection.transport == nullptr) return std::make_unique<Replay>(std::move(accounts));
  if (!options.batch_export.empty()) {
    return std::make_unique<BatchWriter>(
        options.batch_export, std::move(accounts), *connection.protocol);
  }
  return std::make_unique<Client>(ClientOptions{.concurrency = options.concurrency,
                                                .patience_s = options.patience_s,
                                                .seed = options.seed},
                                  std::move(accounts),
                                  Client::Parts{.transport = *connection.transport,
                                                .key = *connection.secret,
                                                .clock = parts.clock,
                                                .stop = parts.stop});
}

}  // namespace thoughtrank
