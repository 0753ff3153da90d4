#include "thoughtrank/data/ledger_accounts.h"

#include <utility>

#include "thoughtrank/core/journal.h"

namespace thoughtrank {

void LedgerAccounts::take(const Json& record, const std::string& where) {
  const std::string type = require_string(record, "type", where);
  if (type == "note" || type == "void") return;
  if (type == "forked") {  // what is before it was paid by the run that the ledger was copied from
    *this = LedgerAccounts();
    return;
  }
  const std::string request = require_string(record, "request", where);
  const BatchedCall call = {request, record.value("number", int64_t{0})};
  if (type == "intent") {
    if (open_.contains(request)) end_call(request, open_[request]);
    open_[request] = require_number(record, "reserved_usd", where);
  } else if (type == "batched") {
    batched_[call] = require_number(record, "reserved_usd", where);
  } else if (type == "failed" || type == "result") {
    const double usd = require_number(record, "usd", where);
    // Ledgers of earlier versions do not say which results came from a batch: while a call is in a
    // file nothing is asked directly.
    const bool is_of_batch =
        record.contains("number") || batched_.contains(call) || !open_.contains(request);
    is_of_batch ? end_batched_call(call, usd) : end_call(request, usd);
  } else if (type == "discarded") {
    const double usd = require_number(record, "usd", where);
    batched_.erase(call);
    discarded_[call] = usd;
    spent_ += usd;
  } else if (type == "reused") {
    saved_ += require_number(record, "usd", where);
  } else {
    fail(ExitCode::kBadData, "{}: unknown record type '{}'", where, type);
  }
}

void LedgerAccounts::end_call(const std::string& request, double usd) {
  open_.erase(request);
  spent_ += usd;
}

// The result of a batch that was given up comes in the place of what that was taken to cost.
void LedgerAccounts::end_batched_call(const BatchedCall& call, double usd) {
  spent_ += usd;
  if (batched_.erase(call) > 0) return;
  if (const auto given_up = discarded_.find(call); given_up != discarded_.end()) {
    spent_ -= std::exchange(given_up->second, 0);
  }
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
