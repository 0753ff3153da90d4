#include "llm/call_accounts.h"

#include <algorithm>
#include <utility>

#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {

CallAccounts::CallAccounts(Options options, Ledger& ledger, const Protocol& protocol)
    : options_(std::move(options)), ledger_(ledger), protocol_(protocol) {}

Call CallAccounts::open(uint64_t ticket, std::string body) const {
  Call call{.ticket = ticket, .body = std::move(body)};
  call.request = sha256(options_.endpoint + "\n" + call.body);
  // A token has at least one byte, and a chat template adds less than the JSON around the texts.
  const auto bytes = static_cast<int64_t>(call.body.size());
  call.reserved_usd = options_.price.most(bytes, options_.max_output_tokens, bytes);
  return call;
}

std::optional<Reply> CallAccounts::find_reply(const Call& call) {
  const PaidReply* known = ledger_.find(call.request);
  if (known == nullptr) return std::nullopt;
  Reply reply = reply_of(call, *known);
  ledger_.reuse(call.request);
  return reply;
}

std::optional<Reply> CallAccounts::find_final_failure(const Call& call) const {
  const FailedAttempts* failure = ledger_.find_failure(call.request);
  if (failure == nullptr) return std::nullopt;
  if (!failure->is_final && failure->attempts < kMostAttempts) return std::nullopt;
  return give_up_as_before(call, *failure);
}

void CallAccounts::learn_from_bills(Call& call) const {
  call.reserved_usd = std::max(call.reserved_usd, largest_overshoot_usd_);
}

bool CallAccounts::is_affordable(const Call& call) const {
  if (call.reserved_usd == 0) return ledger_.spent_usd() <= options_.max_usd;
  return ledger_.spent_usd() + ledger_.reserved_usd() + call.reserved_usd <= options_.max_usd;
}

void CallAccounts::fail_for_cap(const Call& call) const {
  fail(ExitCode::kSpendingCap,
       "judge.max_usd is {}: {:.4f} are spent, {:.4f} reserved, and the next call could cost "
       "{:.4f}. Nothing is lost: raise judge.max_usd and run again",
       options_.max_usd,
       ledger_.spent_usd(),
       ledger_.reserved_usd(),
       call.reserved_usd);
}

Reply CallAccounts::settle(const Call& call,
                           std::string body,
                           Outcome outcome,
                           const BatchedCall* of_batch) {
  const bool is_too_long = outcome == Outcome::too_long;
  // What is not text cannot be kept as text; it is no ranking either way.
  if (!is_valid_utf8(body)) body = "(the body is not UTF-8)";
  const std::optional<TokenUsage> usage = protocol_.read_body(body).usage;
  double usd = usage ? options_.price.cost(*usage) : call.reserved_usd;
  if (is_too_long) usd = 0;
  if (usd > call.reserved_usd) note_overshoot(usd, call.reserved_usd);
  const PaidReply paid{
      .body = std::move(body), .usd = usd, .attempts = call.attempts, .is_too_long = is_too_long};
  ledger_.settle(call.request, paid, of_batch);
  return reply_of(call, paid);
}

void CallAccounts::note_overshoot(double usd, double reserved_usd) {
  if (largest_overshoot_usd_ == 0) {
    log_warning(
        "judge: a call was billed {:.6f} USD, where judge.price and judge.max_output_tokens allow "
        "{:.6f}. From now on as much is reserved for each call; set judge.price to what it costs",
        usd,
        reserved_usd);
  }
  largest_overshoot_usd_ = std::max(largest_overshoot_usd_, usd);
}

Reply CallAccounts::reply_of(const Call& call, const PaidReply& paid) const {
  Reply reply{.ticket = call.ticket,
              .request_sha256 = call.request,
              .outcome = Outcome::answered,
              .completion = protocol_.read_body(paid.body),
              .attempts = paid.attempts,
              .usd = paid.usd};
  if (paid.is_too_long) {
    reply.outcome = Outcome::too_long;
    reply.completion = {.text = {}, .failure = "more than the judge's context holds", .usage = {}};
  }
  return reply;
}

Reply CallAccounts::give_up(const Call& call, Outcome outcome, const std::string& reason) const {
  log_warning("judge: a call failed after {} attempts: {}", call.attempts, reason);
  return {.ticket = call.ticket,
          .request_sha256 = call.request,
          .outcome = outcome,
          .completion = {.text = {}, .failure = reason, .usage = {}},
          .attempts = call.attempts,
          .usd = call.lost_usd};
}

Reply CallAccounts::give_up_as_before(Call call, const FailedAttempts& failure) const {
  call.attempts = failure.attempts;
  call.lost_usd = failure.usd;
  return give_up(call, failure.is_final ? Outcome::failed : Outcome::retry, failure.reason);
}

CallAccounts accounts_of(const Connection& connection,
                         const ChannelOptions& options,
                         Ledger& ledger) {
  return CallAccounts({.endpoint = connection.endpoint,
                       .max_output_tokens = options.max_output_tokens,
                       .max_usd = options.max_usd,
                       .price = connection.price},
                      ledger,
                      *connection.protocol);
}

}  // namespace thoughtrank
