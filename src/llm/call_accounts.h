// What a request may cost, what the ledger knows of it already, and what it has cost in the end.
// Every channel keeps its accounts here; none writes to the ledger without them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "thoughtrank/llm/channel.h"
#include "thoughtrank/llm/price.h"

namespace thoughtrank {

struct Call {
  uint64_t ticket = 0;
  std::string body = {};
  std::string request = {};  // SHA-256 over endpoint and body
  double reserved_usd = 0;
  double lost_usd = 0;  // cost of attempts that brought nothing
  int64_t attempts = 0;
  double started_s = 0;
};

class CallAccounts {
 public:
  struct Options {
    std::string endpoint = {};  // part of the request's hash
    int64_t max_output_tokens = 2048;
    double max_usd = 0;
    Price price = {};
  };
  CallAccounts(Options options, Ledger& ledger, const Protocol& protocol);

  // Names the call and reserves the worst that it can cost.
  [[nodiscard]] Call open(uint64_t ticket, std::string body) const;
  // The reply that was paid for earlier.
  [[nodiscard]] std::optional<Reply> find_reply(const Call& call);
  // The end of a call that failed earlier as often as it may, or for good.
  [[nodiscard]] std::optional<Reply> find_final_failure(const Call& call) const;

  // A server that billed more than it could by the price may do so again: reserves as much.
  void learn_from_bills(Call& call) const;
  [[nodiscard]] bool is_affordable(const Call& call) const;
  [[noreturn]] void fail_for_cap(const Call& call) const;

  // Takes a reply into the ledger at its price; a reply without a bill costs what was reserved, and
  // the word that the request is too long costs nothing.
  Reply settle(const Call& call,
               std::string body,
               Outcome outcome,
               const BatchedCall* of_batch = nullptr);
  [[nodiscard]] Reply give_up(const Call& call, Outcome outcome, const std::string& reason) const;
  // What the ledger knows of the call's attempts is all there will be.
  [[nodiscard]] Reply give_up_as_before(Call call, const FailedAttempts& failure) const;

  [[nodiscard]] Ledger& ledger() { return ledger_; }
  [[nodiscard]] const std::string& endpoint() const { return options_.endpoint; }

 private:
  [[nodiscard]] Reply reply_of(const Call& call, const PaidReply& paid) const;

  void note_overshoot(double usd, double reserved_usd);

  Options options_;
  Ledger& ledger_;
  const Protocol& protocol_;
  double largest_overshoot_usd_ = 0;  // largest bill above what was reserved for it
};

[[nodiscard]] CallAccounts accounts_of(const Connection& connection,
                                       const ChannelOptions& options,
                                       Ledger& ledger);

}  // namespace thoughtrank
