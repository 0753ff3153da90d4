#include "llm/client.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thoughtrank/core/log.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/llm/tokens.h"

namespace thoughtrank {
namespace {

constexpr double kLongestRetryAfter_s = 120;
constexpr double kFirstBackoff_s = 1;
constexpr double kLookAround_s = 0.1;  // how often a waiting client looks at the stop flag

// Nobody is there, or a gateway says that nobody is.
bool is_down(const TransportReply& reply) {
  return reply.failure == TransportFailure::unreachable ||
         (reply.status >= 502 && reply.status <= 504);
}

// Full jitter: anything between nothing and twice as much with each attempt.
double backoff_s(uint64_t seed, const std::string& request, int64_t attempt) {
  RandomStream random(
      seed, "judge backoff", {stable_hash(request), static_cast<uint64_t>(attempt)});
  return random.uniform() * kFirstBackoff_s * std::pow(2.0, static_cast<double>(attempt));
}

}  // namespace

Client::Client(ClientOptions options, CallAccounts accounts, Parts parts)
    : options_(options),
      accounts_(std::move(accounts)),
      parts_(parts),
      limit_(options_.concurrency) {}

void Client::submit(uint64_t ticket, std::string body) {
  Call call = accounts_.open(ticket, std::move(body));
  if (std::optional<Reply> known = accounts_.find_reply(call)) {
    ready_.push_back(std::move(*known));
  } else {
    queue_.emplace(0, std::move(call));
  }
}

void Client::forget(const std::string& request_sha256) {
  accounts_.ledger().forget(request_sha256);
}

std::vector<Reply> Client::wait() {
  while (ready_.empty() && !(queue_.empty() && flying_.empty())) {
    parts_.stop.throw_if_set();
    dispatch();
    if (flying_.empty()) {
      const double idle_s = next_departure_s() - parts_.clock.now_s();
      parts_.clock.sleep_s(std::clamp(idle_s, 0.0, kLookAround_s));
      continue;
    }
    take_all(parts_.transport.wait(kLookAround_s));
  }
  return std::exchange(ready_, {});
}

// What has come is in the ledger before a refusal ends the work: answers, and that the others cost
// nothing.
void Client::take_all(std::vector<FinishedTransfer> finished) {
  std::exception_ptr end;
  for (FinishedTransfer& transfer : finished) {
    try {
      take(std::move(transfer));
    } catch (const Error&) {
      if (!end) end = std::current_exception();
    }
  }
  if (end) std::rethrow_exception(end);
}

// While the breaker is open, or the server is not there yet, one probe flies at a time.
bool Client::may_fly() const {
  const auto flying = static_cast<int64_t>(flying_.size());
  const bool waits = !has_answered_ && first_try_s_;
  return !queue_.empty() && flying < (breaker_.is_open() || waits ? 1 : limit_.calls());
}

double Client::next_departure_s() const {
  if (queue_.empty()) return 0;
  const auto& [due_s, call] = *queue_.begin();
  const double now = parts_.clock.now_s();
  const auto tokens = static_cast<double>(estimated_tokens(call.body));
  return std::max({due_s,
                   paused_until_s_,
                   breaker_.is_open() ? breaker_.next_probe_s() : 0.0,
                   requests_.ready_s(1, now),
                   tokens_.ready_s(tokens, now)});
}

void Client::dispatch() {
  while (may_fly() && next_departure_s() <= parts_.clock.now_s()) {
    accounts_.learn_from_bills(queue_.begin()->second);
    if (!accounts_.is_affordable(queue_.begin()->second)) {
      if (!flying_.empty()) return;  // they may turn out cheaper than reserved
      accounts_.fail_for_cap(queue_.begin()->second);
    }
    send(std::move(queue_.extract(queue_.begin()).mapped()));
  }
}

void Client::send(Call call) {
  call.started_s = parts_.clock.now_s();
  if (++call.attempts == 1) retries_.count_call();
  if (breaker_.is_open()) breaker_.start_probe(call.started_s);
  requests_.take(1, call.started_s);
  tokens_.take(static_cast<double>(estimated_tokens(call.body)), call.started_s);
  accounts_.ledger().intend(call.request, call.reserved_usd);
  const uint64_t number = ++transfers_;
  parts_.transport.start(number, call.body);
  flying_.emplace(number, std::move(call));
}

void Client::take(FinishedTransfer finished) {
  Call call = std::move(flying_.extract(finished.ticket).mapped());
  TransportReply& reply = finished.reply;
  reply.body = parts_.key.redact(std::move(reply.body));
  const Classified meaning = classify(reply);
  learn(call, reply, meaning);
  if (meaning.outcome == Outcome::answered || meaning.outcome == Outcome::too_long) {
    ready_.push_back(accounts_.settle(call, std::move(reply.body), meaning.outcome));
  } else {
    take_failure(std::move(call), reply, meaning);
  }
}

void Client::take_failure(Call call, const TransportReply& reply, const Classified& meaning) {
  const std::string reason = parts_.key.redact(meaning.reason);
  const double usd = meaning.may_be_billed ? call.reserved_usd : 0;
  const bool waits = is_starting(reply);
  accounts_.ledger().lose(call.request,
                          {.usd = usd,
                           .reason = reason,
                           .is_final = meaning.outcome == Outcome::failed,
                           .is_wait = waits});
  call.lost_usd += usd;
  if (waits) return wait_for_start(std::move(call), reason);
  if (meaning.outcome == Outcome::retry) check_patience(reason);
  if (meaning.outcome == Outcome::retry && call.attempts < kMostAttempts) {
    retry(std::move(call), reply);
  } else if (meaning.outcome == Outcome::retry || meaning.outcome == Outcome::failed) {
    ready_.push_back(accounts_.give_up(call, meaning.outcome, reason));
  } else {
    end_work(meaning.outcome, reason);
  }
}

// What a reply says about the server, whatever it says about the call.
void Client::learn(const Call& call, const TransportReply& reply, const Classified& meaning) {
  has_answered_ = has_answered_ || !is_down(reply);
  const double now = parts_.clock.now_s();
  requests_.sync(reply.rates.requests, now);
  tokens_.sync(reply.rates.tokens, now);
  if (meaning.outcome != Outcome::retry) {
    breaker_.succeed();
    limit_.succeed();
    return;
  }
  if (is_overload(reply)) limit_.overload(call.started_s, now);
  const bool was_open = breaker_.is_open();
  breaker_.fail(now);
  if (breaker_.is_open() && !was_open) {
    log_warning(
        "judge: {} calls in a row failed; from now on one is tried every {} s. The last: "
        "{}",
        CircuitBreaker::kMostFailures,
        CircuitBreaker::kProbeEvery_s,
        parts_.key.redact(meaning.reason));
  }
}

void Client::retry(Call call, const TransportReply& reply) {
  const double now = parts_.clock.now_s();
  const double asked_s = std::clamp(reply.retry_after_s, 0.0, kLongestRetryAfter_s);
  if (asked_s > 0) paused_until_s_ = std::max(paused_until_s_, now + asked_s);
  const double pause_s = std::max(asked_s, backoff_s(options_.seed, call.request, call.attempts));
  const double due_s = std::max(now + pause_s, retries_.reserve(now));
  queue_.emplace(due_s, std::move(call));
}

// True where the server has never answered and may still come up: such failures are no attempts of
// the call. Without patience they are.
bool Client::is_starting(const TransportReply& reply) const {
  return !has_answered_ && is_down(reply) && options_.patience_s > 0;
}

void Client::wait_for_start(Call call, const std::string& reason) {
  const double now = parts_.clock.now_s();
  if (!first_try_s_) {
    first_try_s_ = now;
    log_warning("judge: {} does not answer yet ({}); it is tried for {:.0f} s (judge.patience_s)",
                accounts_.endpoint(),
                reason,
                options_.patience_s);
  }
  const double waited_s = now - *first_try_s_;
  if (waited_s >= options_.patience_s) fail_for_patience(waited_s, reason);
  call.attempts = 0;
  const double pause_s = std::pow(2.0, static_cast<double>(std::min<int64_t>(start_tries_++, 10)));
  queue_.emplace(now + std::min(pause_s, CircuitBreaker::kProbeEvery_s), std::move(call));
}

void Client::check_patience(const std::string& reason) const {
  const double down_s = breaker_.open_for_s(parts_.clock.now_s());
  if (breaker_.is_open() && down_s >= options_.patience_s) fail_for_patience(down_s, reason);
}

void Client::fail_for_patience(double down_s, const std::string& reason) const {
  if (!has_answered_) {
    fail(ExitCode::kJudge,
         "no judge answers at {} ({}), for {:.0f} s now (judge.patience_s). Is the server "
         "running, and judge.base_url right?",
         accounts_.endpoint(),
         reason,
         down_s);
  }
  fail(ExitCode::kJudge,
       "the judge at {} has not answered for {:.0f} s; the last failure: {}. Finished calls are "
       "kept: run again when the judge is back (judge.patience_s says how long to wait)",
       accounts_.endpoint(),
       down_s,
       reason);
}

void Client::end_work(Outcome outcome, const std::string& reason) const {
  if (outcome == Outcome::no_credentials) {
    fail(ExitCode::kCredentials,
         "the judge at {} refused the key ({}). Check judge.api_key_env or judge.api_key_file",
         accounts_.endpoint(),
         reason);
  }
  if (outcome == Outcome::no_money) {
    fail(ExitCode::kSpendingCap,
         "the account at {} has no money left for the judge ({}). Finished calls are kept: top it "
         "up and run again",
         accounts_.endpoint(),
         reason);
  }
  if (outcome == Outcome::no_model) {
    fail(
        ExitCode::kConfig,
        "the judge at {} does not give this key the model that was asked for ({}). Set judge.model "
        "to one that it has: in a new run, or with --fork-from once rounds are judged",
        accounts_.endpoint(),
        reason);
  }
  throw UntrustedServer(
      fmt::format("the certificate of {} is not trusted ({}). Nothing was sent. If it is your own "
                  "server, name its authority in judge.ca_file",
                  accounts_.endpoint(),
                  reason));
}

}  // namespace thoughtrank
