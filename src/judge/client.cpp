#include "judge/client.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "judge/request_text.h"
#include "thoughtrank/core/files.h"
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

Client::Client(ClientOptions options, Parts parts)
    : options_(std::move(options)), parts_(parts), limit_(options_.concurrency) {}

void Client::submit(uint64_t ticket, std::string body) {
  Call call{.ticket = ticket, .body = std::move(body)};
  call.request = sha256(options_.endpoint + "\n" + call.body);
  if (options_.is_replay || parts_.ledger.find(call.request) != nullptr) {
    return answer_from_ledger(call);
  }
  // A token has at least one byte, and a chat template adds less than the JSON around the texts.
  call.reserved_usd =
      options_.price.cost(static_cast<int64_t>(call.body.size()), options_.max_output_tokens);
  if (!options_.batch_export.empty()) return put_into_batch(call);
  queue_.emplace(0, std::move(call));
}

void Client::put_into_batch(const Call& call) {
  if (parts_.ledger.is_in_batch(call.request)) {
    ++exported_before_;
  } else {
    const FailedAttempts* failure = parts_.ledger.find_failure(call.request);
    if (failure != nullptr && (failure->is_final || failure->attempts >= kMostAttempts)) {
      return give_up_as_before(call, *failure);
    }
    if (!is_affordable(call)) fail_for_cap(call);
    parts_.ledger.put_into_batch(call.request, call.reserved_usd);
  }
  batch_.push_back(parts_.protocol.batch_line(call.request, call.body));
}

void Client::finish_batch() const {
  std::string lines;
  for (const std::string& line : batch_) lines += line + "\n";
  publish_file(options_.batch_export, lines);
  throw BatchWritten{.calls = std::ssize(batch_), .exported_before = exported_before_};
}

Client::Imported Client::import(const std::string& request, TransportReply reply, bool is_again) {
  const Ledger& ledger = parts_.ledger;
  if (!ledger.is_in_batch(request) && !ledger.was_discarded(request)) {
    const bool is_known =
        ledger.find(request) != nullptr || ledger.find_failure(request) != nullptr;
    return is_known ? Imported::known : Imported::foreign;
  }
  Call call;
  call.request = request;
  call.attempts = 1;
  call.reserved_usd = ledger.reserved_in_batch(request);
  reply.body = parts_.key.redact(std::move(reply.body));
  const Classified meaning = classify(reply);
  if (meaning.outcome == Outcome::answered || meaning.outcome == Outcome::too_long) {
    const bool is_too_long = meaning.outcome == Outcome::too_long;
    parts_.ledger.settle(request, priced(call, std::move(reply.body), is_too_long));
    return Imported::answered;
  }
  if (is_again) return Imported::repeated;
  const std::string reason = parts_.key.redact(meaning.reason);
  const bool is_final = meaning.outcome == Outcome::failed;
  log_debug("judge: a call of the batch failed: {}", reason);
  parts_.ledger.lose(request, 0, reason, is_final);
  return is_final ? Imported::refused : Imported::failed;
}

void Client::answer_from_ledger(const Call& call) {
  if (const PaidReply* known = parts_.ledger.find(call.request)) {
    answer(call, *known);
    parts_.ledger.reuse(call.request);
  } else if (const FailedAttempts* failure = parts_.ledger.find_failure(call.request)) {
    give_up_as_before(call, *failure);
  } else {
    fail(ExitCode::kJudge,
         "judge.kind replay: request {} is not in the ledger. The config or the inputs differ from "
         "the run that was recorded",
         call.request);
  }
}

// What the ledger knows of the call's attempts is all there will be.
void Client::give_up_as_before(Call call, const FailedAttempts& failure) {
  call.attempts = failure.attempts;
  call.lost_usd = failure.usd;
  give_up(call, failure.is_final ? Outcome::failed : Outcome::retry, failure.reason);
}

std::vector<Answer> Client::wait() {
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
  if (ready_.empty() && !batch_.empty()) finish_batch();
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

// While the breaker is open one probe flies at a time.
bool Client::may_fly() const {
  const auto flying = static_cast<int64_t>(flying_.size());
  return !queue_.empty() && flying < (breaker_.is_open() ? 1 : limit_.calls());
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

bool Client::is_affordable(const Call& call) const {
  if (call.reserved_usd == 0) return true;
  return parts_.ledger.spent_usd() + parts_.ledger.reserved_usd() + call.reserved_usd <=
         options_.max_usd;
}

void Client::fail_for_cap(const Call& call) const {
  fail(ExitCode::kSpendingCap,
       "judge.max_usd is {}: {:.4f} are spent, {:.4f} reserved, and the next call could cost "
       "{:.4f}. Nothing is lost: raise judge.max_usd and run again",
       options_.max_usd,
       parts_.ledger.spent_usd(),
       parts_.ledger.reserved_usd(),
       call.reserved_usd);
}

void Client::dispatch() {
  while (may_fly() && next_departure_s() <= parts_.clock.now_s()) {
    if (!is_affordable(queue_.begin()->second)) {
      if (!flying_.empty()) return;  // they may turn out cheaper than reserved
      fail_for_cap(queue_.begin()->second);
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
  parts_.ledger.intend(call.request, call.reserved_usd);
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
    const bool is_too_long = meaning.outcome == Outcome::too_long;
    const PaidReply paid = priced(call, std::move(reply.body), is_too_long);
    parts_.ledger.settle(call.request, paid);
    return answer(call, paid);
  }
  const std::string reason = parts_.key.redact(meaning.reason);
  const double usd = meaning.may_be_billed ? call.reserved_usd : 0;
  parts_.ledger.lose(call.request, usd, reason, meaning.outcome == Outcome::failed);
  call.lost_usd += usd;
  if (meaning.outcome == Outcome::retry) check_patience(reason);
  if (meaning.outcome == Outcome::retry && call.attempts < kMostAttempts) {
    retry(std::move(call), reply);
  } else if (meaning.outcome == Outcome::retry || meaning.outcome == Outcome::failed) {
    give_up(call, meaning.outcome, reason);
  } else {
    end_work(meaning.outcome, reason);
  }
}

// What a reply says about the server, whatever it says about the call.
void Client::learn(const Call& call, const TransportReply& reply, const Classified& meaning) {
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

// An answer, or the word that the request is too long, which cost nothing and will not change.
PaidReply Client::priced(const Call& call, std::string body, bool is_too_long) const {
  // What is not text cannot be kept as text; it is no ranking either way.
  if (!is_valid_utf8(body)) body = "(the body is not UTF-8)";
  const std::optional<TokenUsage> usage = parts_.protocol.read_body(body).usage;
  double usd = usage ? options_.price.cost(usage->input, usage->output) : call.reserved_usd;
  if (is_too_long) usd = 0;
  return {
      .body = std::move(body), .usd = usd, .attempts = call.attempts, .is_too_long = is_too_long};
}

void Client::retry(Call call, const TransportReply& reply) {
  const double now = parts_.clock.now_s();
  const double asked_s = std::clamp(reply.retry_after_s, 0.0, kLongestRetryAfter_s);
  if (asked_s > 0) paused_until_s_ = std::max(paused_until_s_, now + asked_s);
  const double pause_s = std::max(asked_s, backoff_s(options_.seed, call.request, call.attempts));
  const double due_s = std::max(now + pause_s, retries_.reserve(now));
  queue_.emplace(due_s, std::move(call));
}

void Client::answer(const Call& call, const PaidReply& reply) {
  Answer answer{.ticket = call.ticket,
                .request_sha256 = call.request,
                .outcome = Outcome::answered,
                .completion = parts_.protocol.read_body(reply.body),
                .attempts = reply.attempts,
                .usd = reply.usd};
  if (reply.is_too_long) {
    answer.outcome = Outcome::too_long;
    answer.completion = {.text = {}, .failure = "more than the judge's context holds", .usage = {}};
  }
  ready_.push_back(std::move(answer));
}

void Client::give_up(const Call& call, Outcome outcome, const std::string& reason) {
  log_warning("judge: a call failed after {} attempts: {}", call.attempts, reason);
  ready_.push_back({.ticket = call.ticket,
                    .request_sha256 = call.request,
                    .outcome = outcome,
                    .completion = {.text = {}, .failure = reason, .usage = {}},
                    .attempts = call.attempts,
                    .usd = call.lost_usd});
}

void Client::check_patience(const std::string& reason) const {
  const double down_s = breaker_.open_for_s(parts_.clock.now_s());
  if (!breaker_.is_open() || down_s < options_.patience_s) return;
  fail(ExitCode::kJudge,
       "the judge at {} has not answered for {:.0f} s; {} or more calls in a row failed, the last "
       "one: {}. Finished calls are kept: run again when the judge is back (judge.patience_s says "
       "how long to wait)",
       options_.endpoint,
       down_s,
       CircuitBreaker::kMostFailures,
       reason);
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
  throw UntrustedServer(
      fmt::format("the certificate of {} is not trusted ({}). Nothing was sent. If it is your own "
                  "server, name its authority in judge.ca_file",
                  options_.endpoint,
                  reason));
}

}  // namespace thoughtrank
