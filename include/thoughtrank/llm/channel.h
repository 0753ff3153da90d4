// A channel takes requests and brings replies. What happens in between is its own affair: requests
// go to a server at once, into a batch file for somebody else to send, or nowhere, where the ledger
// of an earlier run answers them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/llm/connection.h"
#include "thoughtrank/llm/errors.h"
#include "thoughtrank/llm/ledger.h"
#include "thoughtrank/llm/outcome.h"
#include "thoughtrank/llm/protocol.h"

namespace thoughtrank {

inline constexpr int64_t kMostAttempts = 3;  // attempts that one request gets

struct Reply {
  uint64_t ticket = 0;
  std::string request_sha256;
  // Answered, or what `completion.failure` explains: retry (tried in vain), failed, too_long.
  Outcome outcome = Outcome::answered;
  Completion completion;
  int64_t attempts = 0;
  double usd = 0;
};

class Channel {
 public:
  virtual ~Channel() = default;
  virtual void submit(uint64_t ticket, std::string body) = 0;
  // Returns at least one reply, unless nothing is pending; their order means nothing. Throws what
  // ends the work: kCredentials, kSpendingCap, kJudge, what the stop flag says, and BatchWritten
  // where the requests that are left stand in a batch file.
  [[nodiscard]] virtual std::vector<Reply> wait() = 0;
  // Allows a request whose reply was of no use to be made again by a later run.
  virtual void forget(const std::string& request_sha256) = 0;
};

struct ChannelOptions {
  int64_t concurrency = 16;
  int64_t max_output_tokens = 2048;
  double max_usd = 0;       // bound of what the whole ledger may spend
  double patience_s = 600;  // time that a server may be down
  uint64_t seed = 0;
  std::filesystem::path batch_export = {};  // file for the requests, which are not sent then
};

struct ChannelParts {
  Ledger& ledger;
  Clock& clock;
  const StopFlag& stop;
};

// The connection and the parts must outlive the channel.
[[nodiscard]] std::unique_ptr<Channel> open_channel(const Connection& connection,
                                                    const ChannelOptions& options,
                                                    const ChannelParts& parts);

}  // namespace thoughtrank
