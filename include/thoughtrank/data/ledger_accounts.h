// The money in a run's ledger.jsonl: what is spent, what is reserved for calls on their way, what
// replies that were paid for earlier have saved. One reading of the records for the judge that
// writes them and for `status`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

class LedgerAccounts {
 public:
  // Takes one record; those that move no money change nothing.
  void take(const Json& record, const std::string& where);
  // Calls that were on their way when their process ended count as spent.
  void charge_open();

  [[nodiscard]] double spent_usd() const { return spent_; }
  [[nodiscard]] double reserved_usd() const;
  [[nodiscard]] double saved_usd() const { return saved_; }
  // Calls in a batch file whose results were not imported.
  [[nodiscard]] int64_t waiting_calls() const { return std::ssize(batched_); }

 private:
  // A request may go into several batch files, one after the other; each time is a call of its own.
  using BatchedCall = std::pair<std::string, int64_t>;
  void end_call(const std::string& request, double usd);
  void end_batched_call(const BatchedCall& call, double usd);
  double spent_ = 0;
  double saved_ = 0;
  std::map<std::string, double> open_;       // request -> reserved
  std::map<BatchedCall, double> batched_;    // reserved, over restarts
  std::map<BatchedCall, double> discarded_;  // spent as reserved, until the result says how much
};

// The accounts of a ledger file, which may be in use; all zero where there is none.
[[nodiscard]] LedgerAccounts read_ledger_accounts(const std::filesystem::path& ledger);

}  // namespace thoughtrank
