// The channel of judge.kind replay: the ledger of an earlier run answers, nothing is ever sent.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "llm/call_accounts.h"

namespace thoughtrank {

class Replay : public Channel {
 public:
  explicit Replay(CallAccounts accounts) : accounts_(std::move(accounts)) {}
  // Error(kJudge) for a request that the ledger does not hold.
  void submit(uint64_t ticket, std::string body) override;
  [[nodiscard]] std::vector<Reply> wait() override { return std::exchange(ready_, {}); }
  // Keeps the reply: a ledger that is only read does not change.
  void forget(const std::string& /*request_sha256*/) override {}

 private:
  CallAccounts accounts_;
  std::vector<Reply> ready_;
};

}  // namespace thoughtrank
