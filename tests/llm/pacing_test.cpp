// How a client treats a server in trouble: the rules alone, and the client that follows them over a
// scripted transport on a clock that nobody waits for.
#include "llm/pacing.h"

#include <gtest/gtest.h>

#include "llm/replay.h"
#include "llm/scripted_client.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

TEST(Pacing, retries_beyond_the_budget_are_slowed_down) {
  RetryBudget budget;
  for (int n = 0; n < 10; ++n) EXPECT_EQ(budget.reserve(5), 5);
  EXPECT_EQ(budget.reserve(5), 7);
  EXPECT_EQ(budget.reserve(5), 9);
  for (int call = 0; call < 10; ++call) budget.count_call();
  EXPECT_EQ(budget.reserve(6), 6) << "ten calls pay for a retry";
  EXPECT_EQ(budget.reserve(100), 102);
}

TEST(Pacing, the_breaker_opens_at_twenty_and_closes_with_a_success) {
  CircuitBreaker breaker;
  for (int n = 0; n < 19; ++n) breaker.fail(n);
  EXPECT_FALSE(breaker.is_open());
  breaker.fail(19);
  EXPECT_TRUE(breaker.is_open());
  EXPECT_EQ(breaker.next_probe_s(), 49);
  breaker.start_probe(50);
  breaker.fail(51);
  EXPECT_EQ(breaker.next_probe_s(), 80);
  EXPECT_EQ(breaker.open_for_s(51), 32);
  breaker.succeed();
  EXPECT_FALSE(breaker.is_open());
}

TEST(Pacing, concurrency_halves_once_per_flight_and_grows_by_one) {
  ConcurrencyLimit limit(16);
  limit.overload(/*started_s=*/0, /*now_s=*/10);
  EXPECT_EQ(limit.calls(), 8);
  limit.overload(/*started_s=*/9, /*now_s=*/11);  // left before the cut
  EXPECT_EQ(limit.calls(), 8);
  for (int n = 0; n < 9; ++n) limit.succeed();
  EXPECT_EQ(limit.calls(), 9);
  for (int n = 0; n < 1000; ++n) limit.succeed();
  EXPECT_EQ(limit.calls(), 16);
  for (int n = 0; n < 10; ++n) limit.overload(100 + n, 100 + n);
  EXPECT_EQ(limit.calls(), 1);
}

TEST(Pacing, a_bucket_holds_everything_until_the_server_says_otherwise) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.ready_s(1e9, 3), 3);
  bucket.sync({.limit = 60, .remaining = 0, .reset_s = 30}, 10);  // two a second
  EXPECT_EQ(bucket.ready_s(1, 10), 10.5);
  EXPECT_EQ(bucket.ready_s(1000, 10), 40) << "more than it ever holds: when it is full";
  bucket.take(1, 10.5);
  EXPECT_EQ(bucket.ready_s(1, 10.5), 11);
  bucket.sync({.limit = 60, .remaining = 50, .reset_s = 5}, 11);
  EXPECT_EQ(bucket.ready_s(1, 11), 11) << "one has come by itself";
  EXPECT_GT(bucket.ready_s(2, 11), 11) << "a late header does not give back what was taken";
}

TEST(RateHeaders, are_read_as_their_makers_write_them) {
  RateHeaders rates;
  const double now = 1769860800;  // 2026-01-31T12:00:00Z
  for (const char* line : {"x-ratelimit-limit-requests: 60\r\n",
                           "X-RateLimit-Remaining-Requests: 59\r\n",
                           "x-ratelimit-reset-requests: 1m2.5s\r\n",
                           "anthropic-ratelimit-tokens-limit: 80000\r\n",
                           "anthropic-ratelimit-tokens-remaining: 79000\r\n",
                           "anthropic-ratelimit-tokens-reset: 2026-01-31T12:00:07Z\r\n",
                           "anthropic-ratelimit-output-tokens-remaining: 5\r\n"}) {
    read_rate_header(line, now, rates);
  }
  EXPECT_EQ(rates.requests.limit, 60);
  EXPECT_EQ(rates.requests.remaining, 59);
  EXPECT_EQ(rates.requests.reset_s, 62.5);
  EXPECT_EQ(rates.tokens.limit, 80000);
  EXPECT_EQ(rates.tokens.remaining, 79000);
  EXPECT_EQ(rates.tokens.reset_s, 7);
  const RateHeaders before = rates;
  for (const char* line : {"x-ratelimit-limit-requests: -1",
                           "x-ratelimit-limit-requests: nan",
                           "x-ratelimit-limit-requests: 1e400",
                           "x-ratelimit-limit-requests: 5 apples",
                           "x-ratelimit-reset-requests: soon",
                           "x-ratelimit-remaining-requests:",
                           "ratelimit",
                           "Content-Length: 5"}) {
    read_rate_header(line, now, rates);
  }
  EXPECT_EQ(rates.requests.limit, before.requests.limit);
  EXPECT_EQ(rates.requests.remaining, before.requests.remaining);
  EXPECT_EQ(rates.requests.reset_s, before.requests.reset_s);
  EXPECT_EQ(duration_s("20ms"), 0.02);
  EXPECT_EQ(duration_s("1h1m1s"), 3661);
  EXPECT_EQ(duration_s("6 parsecs"), -1);
}

class PacedClientTest : public ScriptedClientTest {
 protected:
  std::vector<Reply> ask(Transport& transport, int calls, const ScriptedOptions& options = {}) {
    Ledger accounts(ledger());
    return ScriptedClientTest::ask(accounts, transport, calls, options);
  }
  static size_t answered(const std::vector<Reply>& answers) {
    return static_cast<size_t>(std::count_if(answers.begin(), answers.end(), [](const Reply& a) {
      return a.outcome == Outcome::answered;
    }));
  }
};

TEST_F(PacedClientTest, a_judge_that_is_never_there_ends_the_work_after_patience_s) {
  ScriptedTransport transport([](int) { return failed_reply(TransportFailure::unreachable); });
  const double before = clock_.now_s();
  expect_error([&] { (void)ask(transport, 1000, {.client = {.patience_s = 300}}); },
               ExitCode::kJudge,
               {"no judge answers at", "patience_s"});
  EXPECT_GE(clock_.now_s() - before, 300);
  EXPECT_LE(clock_.now_s() - before, 300 + 31);
  EXPECT_LE(transport.started, 16 + 300 / 30 + 6) << "what was on its way, then ever more rarely";
}

TEST_F(PacedClientTest, a_judge_that_is_only_starting_costs_no_call_an_attempt) {
  for (const int status : {502, 503, 504, 0}) {
    int started = 0;
    ScriptedTransport transport([&](int) {
      if (++started > 40) return good_reply();
      return status > 0 ? status_reply(status) : failed_reply(TransportFailure::unreachable);
    });
    Ledger accounts(folder_ / fmt::format("ledger-{}.jsonl", status));
    const auto answers = ScriptedClientTest::ask(
        accounts, transport, 50, {.client = {.concurrency = 8, .patience_s = 3600}});
    EXPECT_EQ(answered(answers), 50u) << status;
  }
}

TEST_F(PacedClientTest, without_patience_a_judge_that_is_not_there_is_told_at_once) {
  ScriptedTransport transport([](int) { return failed_reply(TransportFailure::unreachable); });
  const double before = clock_.now_s();
  const auto answers = ask(transport, 1, {.client = {.patience_s = 0}});
  EXPECT_EQ(answers.at(0).outcome, Outcome::retry);
  EXPECT_EQ(transport.started, 3);
  EXPECT_LE(clock_.now_s() - before, 20);
}

TEST_F(PacedClientTest, a_judge_that_goes_down_ends_the_work_after_patience_s) {
  ScriptedTransport transport(
      [](int n) { return n <= 3 ? good_reply() : failed_reply(TransportFailure::unreachable); });
  const double before = clock_.now_s();
  expect_error(
      [&] { (void)ask(transport, 1000, {.client = {.concurrency = 1, .patience_s = 300}}); },
      ExitCode::kJudge,
      {"has not answered for"});
  EXPECT_GE(clock_.now_s() - before, 300);
  // Twenty to open it, then one in 30 s.
  EXPECT_LE(transport.started, 3 + 20 + 300 / 30 + 1);
}

TEST_F(PacedClientTest, probes_leave_one_at_a_time_and_a_success_closes_the_breaker) {
  std::vector<double> departures;
  ScriptedTransport transport(
      [&](int n) { return n <= 40 ? failed_reply(TransportFailure::broken) : good_reply(); });
  transport.on_start = [&](const std::string&) { departures.push_back(clock_.now_s()); };
  const auto answers = ask(transport, 100, {.client = {.concurrency = 8, .patience_s = 3600}});
  EXPECT_GE(answered(answers), 100 - 40u / 3);
  for (size_t n = 28; n < 41; ++n) EXPECT_GE(departures[n] - departures[n - 1], 30) << n;
  EXPECT_LT(departures.back() - departures[41], 60) << "closed: as fast as before";
}

TEST_F(PacedClientTest, retries_stay_within_a_tenth_of_the_calls_and_one_in_two_seconds) {
  RandomStream random(1, "faults");
  ScriptedTransport transport(
      [&](int) { return random.below(2) == 0 ? status_reply(500) : good_reply(); });
  const double before = clock_.now_s();
  const auto answers = ask(transport, 1000);
  const double seconds = clock_.now_s() - before;
  EXPECT_NEAR(static_cast<double>(answered(answers)), 875, 40);  // 1 − ½³
  const double retries = transport.started - 1000;
  EXPECT_LE(retries, 10 + 0.1 * 1000 + seconds / 2 + 1);
  EXPECT_GT(retries, 600);
}

TEST_F(PacedClientTest, overload_lowers_the_concurrency) {
  std::vector<size_t> flying;  // at each departure
  ScriptedTransport transport(
      [](int n) { return n >= 13 && n <= 16 ? status_reply(429) : good_reply(); });
  transport.on_start = [&](const std::string&) { flying.push_back(transport.flying()); };
  (void)ask(transport, 60, {.client = {.concurrency = 16}});
  EXPECT_EQ(*std::max_element(flying.begin(), flying.begin() + 16), 16u);
  EXPECT_LE(*std::max_element(flying.begin() + 16, flying.end()), 13u);
}

TEST_F(PacedClientTest, rate_headers_hold_calls_back) {
  std::vector<double> departures;
  ScriptedTransport transport([](int) {
    TransportReply reply = good_reply();
    reply.rates.requests = {.limit = 60, .remaining = 0, .reset_s = 60};
    return reply;
  });
  transport.on_start = [&](const std::string&) { departures.push_back(clock_.now_s()); };
  (void)ask(transport, 10, {.client = {.concurrency = 1}});
  for (size_t n = 1; n < departures.size(); ++n) {
    EXPECT_GE(departures[n] - departures[n - 1], 1 - 1e-9);
  }
  EXPECT_LE(departures.back() - departures.front(), 12);
}

TEST_F(PacedClientTest, back_off_is_full_jitter) {
  double least = 1e9, most = 0;
  for (int trial = 0; trial < 40; ++trial) {
    ScriptedTransport transport([](int n) { return n == 1 ? status_reply(500) : good_reply(); });
    const double before = clock_.now_s();
    Ledger accounts(folder_ / std::to_string(trial));
    Client client =
        make_client(accounts, transport, {.client = {.seed = static_cast<uint64_t>(trial)}});
    client.submit(0, "request");
    while (client.pending() > 0) (void)client.wait();
    least = std::min(least, clock_.now_s() - before);
    most = std::max(most, clock_.now_s() - before);
  }
  EXPECT_LT(least, 0.3);
  EXPECT_GT(most, 1.4);
  EXPECT_LT(most, 2.2);
}

TEST_F(PacedClientTest, only_what_was_sent_is_charged) {
  const Price price{.input_per_million = 1e6, .output_per_million = 0};
  for (const auto& [failure, usd] : {std::pair(TransportFailure::unreachable, 0.0),
                                     std::pair(TransportFailure::timeout, 27.0),
                                     std::pair(TransportFailure::broken, 27.0)}) {
    std::filesystem::remove(ledger());
    ScriptedTransport transport([&, what = failure](int) { return failed_reply(what); });
    const auto answers = ask(
        transport, 1, {.client = {.patience_s = 0}, .accounts = {.max_usd = 100, .price = price}});
    EXPECT_EQ(answers[0].usd, usd);  // three attempts of "request 0"
  }
}

TEST_F(PacedClientTest, a_request_that_is_too_long_is_told_and_remembered_without_cost) {
  const Price price{.input_per_million = 1e6, .output_per_million = 0};
  ScriptedTransport transport([](int) { return status_reply(413); });
  for (int run = 0; run < 2; ++run) {
    const auto answers = ask(transport, 1, {.accounts = {.max_usd = 100, .price = price}});
    EXPECT_EQ(answers[0].outcome, Outcome::too_long);
    EXPECT_EQ(answers[0].usd, 0);
  }
  EXPECT_EQ(transport.started, 1);
}

TEST_F(PacedClientTest, replay_knows_what_failed) {
  ScriptedTransport down([](int) { return status_reply(500); });
  (void)ask(down, 1);
  Ledger accounts(ledger());
  Replay replay(CallAccounts({}, accounts, protocol_));
  replay.submit(0, "request 0");
  const auto answers = replay.wait();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].outcome, Outcome::retry);
  EXPECT_EQ(answers[0].attempts, 3);
  EXPECT_TRUE(replay.wait().empty());
  replay.forget(answers[0].request_sha256);
  EXPECT_NE(accounts.find_failure(answers[0].request_sha256), nullptr) << "only read";
  expect_error([&] { replay.submit(1, "request 1"); }, ExitCode::kJudge, {"not in the ledger"});
}

}  // namespace
}  // namespace thoughtrank
