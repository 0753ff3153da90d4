#include "thoughtrank/data/ledger_accounts.h"

#include <utility>

#include "thoughtrank/core/journal.h"

namespace thoughtrank {

void LedgerAccounts::take(const Json& record, const std::string& where) {
  const std::string type = require_string(record, "type", where);
  if (type == "note" || type == "void") return;
  const std::string request = require_string(record, "request", where);
  if (type == "intent") {
    if (open_.contains(request)) close(request, open_[request]);
    open_[request] = require_number(record, "reserved_usd", where);
  } else if (type == "batched") {
    batched_[request] = require_number(record, "reserved_usd", where);
  } else if (type == "failed" || type == "result") {
    // Neither asked nor in a file that is out: the result of a batch that was given up, after all.
    const bool is_of_discarded = !open_.contains(request) && !batched_.contains(request);
    const auto discarded = discarded_.find(request);
    if (is_of_discarded && discarded != discarded_.end()) {
      spent_ -= std::exchange(discarded->second, 0);
    }
    close(request, require_number(record, "usd", where));
  } else if (type == "discarded") {
    const double usd = require_number(record, "usd", where);
    close(request, usd);
    discarded_[request] = usd;
  } else if (type == "reused") {
    saved_ += require_number(record, "usd", where);
  } else {
    fail(ExitCode::kBadData, "{}: unknown record type '{}'", where, type);
  }
}

void LedgerAccounts::close(const std::string& request, double usd) {
  open_.erase(request);
  batched_.erase(request);
  spent_ += usd;
}

void LedgerAccounts::charge_open() {
  for (const auto& [request, reserved] : open_) spent_ += reserved;
  open_.clear();
}

double LedgerAccounts::reserved_usd() const {
  double sum = 0;
  for (const auto& [request, reserved] : open_) sum += reserved;
  for (const auto& [request, reserved] : batched_) sum += reserved;
  return sum;
}

LedgerAccounts read_ledger_accounts(const std::filesystem::path& ledger) {
  LedgerAccounts accounts;
  if (!std::filesystem::exists(ledger)) return accounts;
  read_journal(ledger, [&](const Json& record) { accounts.take(record, ledger.string()); });
  return accounts;
}

}  // namespace thoughtrank
