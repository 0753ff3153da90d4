// The channel that exports requests into a provider's batch file instead of sending them. Each is
// reserved at its worst cost until its result is imported (thoughtrank/llm/batch.h) or the file is
// discarded; requests whose replies are known already are answered from the ledger.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "llm/call_accounts.h"

namespace thoughtrank {

class BatchWriter : public Channel {
 public:
  BatchWriter(std::filesystem::path file, CallAccounts accounts, const Protocol& protocol);
  // Error(kSpendingCap) where the money does not reach for this request too.
  void submit(uint64_t ticket, std::string body) override;
  // Publishes the file and throws BatchWritten once only exported requests are left.
  [[nodiscard]] std::vector<Reply> wait() override;
  void forget(const std::string& request_sha256) override;

 private:
  std::filesystem::path file_;
  CallAccounts accounts_;
  const Protocol& protocol_;
  std::vector<Reply> ready_;
  std::vector<std::string> lines_;
  int64_t exported_before_ = 0;  // lines that an earlier file held too
};

}  // namespace thoughtrank
