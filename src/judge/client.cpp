#include "judge/client.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

constexpr double kLongestRetryAfter_s = 120;
constexpr double kFirstBackoff_s = 1;
constexpr double kLookAround_s = 0.1;  // how often a waiting client looks at the stop flag

// Full jitter: anything between nothing and twice as much with each attempt.
double backoff_s(uint64_t seed, const std::string& request, int64_t attempt) {
  RandomStream random(
      seed, "judge backoff", {stable_hash(request), static_cast<uint64_t>(attempt)});
  return random.uniform() * kFirstBackoff_s * std::pow(2.0, static_cast<double>(attempt));
}

}  // namespace

Client::Client(ClientOptions options, Parts parts) : options_(std::move(options)), parts_(parts) {}

void Client::submit(uint64_t ticket, std::string body) {
  Call call{.ticket = ticket, .body = std::move(body)};
  call.request = sha256(options_.endpoint + "\n" + call.body);
  if (const PaidReply* known = parts_.ledger.find(call.request)) {
    answer(call, *known);
    return;
  }
  if (options_.is_replay) {
    fail(ExitCode::kJudge,
         "judge.kind replay: request {} is not in the ledger. The config or the inputs differ from "
         "the run that was recorded",
         call.request);
  }
  // A token has at least one byte, and a chat template adds less than the JSON around the texts.
  call.reserved_usd =
      options_.price.cost(static_cast<int64_t>(call.body.size()), options_.max_output_tokens);
  queue_.emplace(0, std::move(call));
}

std::vector<Answer> Client::wait() {
  while (ready_.empty() && !(queue_.empty() && flying_.empty())) {
    parts_.stop.throw_if_set();
    dispatch();
    if (flying_.empty()) {
      parts_.clock.sleep_s(std::min(seconds_to_next(), kLookAround_s));
      continue;
    }
    auto finished = parts_.transport.wait(kLookAround_s);
    // Answers first: they are in the ledger before a refusal can end the work.
    std::stable_partition(finished.begin(), finished.end(), [](const FinishedTransfer& transfer) {
      return classify(transfer.reply).outcome == Outcome::answered;
    });
    for (FinishedTransfer& transfer : finished) take(std::move(transfer));
  }
  return std::exchange(ready_, {});
}

double Client::seconds_to_next() const {
  if (queue_.empty()) return 0;
  return std::max(0.0, std::max(queue_.begin()->first, paused_until_s_) - parts_.clock.now_s());
}

bool Client::is_affordable(const Call& call) const {
  if (call.reserved_usd == 0) return true;
  return parts_.ledger.spent_usd() + parts_.ledger.reserved_usd() + call.reserved_usd <=
         options_.max_usd;
}

void Client::dispatch() {
  while (!queue_.empty() && static_cast<int64_t>(flying_.size()) < options_.concurrency &&
         seconds_to_next() == 0) {
    if (!is_affordable(queue_.begin()->second)) {
      if (!flying_.empty()) return;  // they may turn out cheaper than reserved
      fail(ExitCode::kSpendingCap,
           "judge.max_usd is {}: {:.4f} are spent and the next call could cost {:.4f}. Nothing is "
           "lost: raise judge.max_usd and run again",
           options_.max_usd,
           parts_.ledger.spent_usd(),
           queue_.begin()->second.reserved_usd);
    }
    Call call = std::move(queue_.extract(queue_.begin()).mapped());
    ++call.attempts;
    parts_.ledger.intend(call.request, call.reserved_usd);
    const uint64_t number = ++transfers_;
    parts_.transport.start(number, call.body);
    flying_.emplace(number, std::move(call));
  }
}

void Client::take(FinishedTransfer finished) {
  Call call = std::move(flying_.extract(finished.ticket).mapped());
  TransportReply& reply = finished.reply;
  reply.body = parts_.key.redact(std::move(reply.body));
  const Classified meaning = classify(reply);
  if (meaning.outcome == Outcome::answered) {
    failures_in_a_row_ = 0;
    // What is not text cannot be kept as text; it is no ranking either way.
    if (!is_valid_utf8(reply.body)) reply.body = "(the body is not UTF-8)";
    const std::optional<TokenUsage> usage = parts_.protocol.read_body(reply.body).usage;
    const PaidReply paid{
        .body = std::move(reply.body),
        .usd = usage ? options_.price.cost(usage->input, usage->output) : call.reserved_usd,
        .attempts = call.attempts};
    parts_.ledger.settle(call.request, paid);
    answer(call, paid);
    return;
  }
  const std::string reason = parts_.key.redact(meaning.reason);
  const double usd = meaning.may_be_billed ? call.reserved_usd : 0;
  parts_.ledger.lose(call.request, usd, reason);
  call.lost_usd += usd;
  if (meaning.outcome == Outcome::retry && call.attempts < kMostAttempts) {
    retry(std::move(call), reply);
  } else if (meaning.outcome == Outcome::retry || meaning.outcome == Outcome::failed) {
    give_up(call, meaning.outcome, reason);
  } else {
    end_work(meaning.outcome, reason);
  }
}

void Client::retry(Call call, const TransportReply& reply) {
  const double now = parts_.clock.now_s();
  const double asked_s = std::clamp(reply.retry_after_s, 0.0, kLongestRetryAfter_s);
  if (asked_s > 0) paused_until_s_ = std::max(paused_until_s_, now + asked_s);
  const double due = now + std::max(asked_s, backoff_s(options_.seed, call.request, call.attempts));
  queue_.emplace(due, std::move(call));
}

void Client::answer(const Call& call, const PaidReply& reply) {
  ready_.push_back({.ticket = call.ticket,
                    .request_sha256 = call.request,
                    .outcome = Outcome::answered,
                    .completion = parts_.protocol.read_body(reply.body),
                    .attempts = reply.attempts,
                    .usd = reply.usd});
}

void Client::give_up(const Call& call, Outcome outcome, const std::string& reason) {
  log_warning("judge: a call failed after {} attempts: {}", call.attempts, reason);
  if (++failures_in_a_row_ >= kMostFailuresInARow) {
    fail(ExitCode::kJudge,
         "{} judge calls in a row failed; the last one: {}. Finished calls are kept: run again "
         "when the judge is back",
         failures_in_a_row_,
         reason);
  }
  ready_.push_back({.ticket = call.ticket,
                    .request_sha256 = call.request,
                    .outcome = outcome,
                    .completion = {.text = {}, .failure = reason, .usage = {}},
                    .attempts = call.attempts,
                    .usd = call.lost_usd});
}

void Client::end_work(Outcome outcome, const std::string& reason) const {
  if (outcome == Outcome::no_credentials) {
    fail(ExitCode::kCredentials,
         "the judge at {} refused the key ({}). Check judge.api_key_env or judge.api_key_file",
         options_.endpoint,
         reason);
  }
  if (outcome == Outcome::no_money) {
    fail(ExitCode::kSpendingCap,
         "the account at {} has no money left for the judge ({}). Finished calls are kept: top it "
         "up and run again",
         options_.endpoint,
         reason);
  }
  fail(ExitCode::kJudge,
       "the certificate of {} is not trusted ({}). Nothing was sent. If it is your own server, "
       "name its authority in judge.ca_file",
       options_.endpoint,
       reason);
}

}  // namespace thoughtrank
