// The client against a scripted transport and a clock without time.
#include "llm/client.h"

#include <gtest/gtest.h>

#include "llm/scripted_client.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

using ClientTest = ScriptedClientTest;

TEST_F(ClientTest, retries_at_most_three_times_and_then_gives_up) {
  for (const int status : {408, 429, 500, 502, 503, 529}) {
    Ledger accounts(folder_ / std::to_string(status));
    ScriptedTransport transport([&](int) { return status_reply(status); });
    const auto answers = ask(accounts, transport, 1, {.client = {.patience_s = 0}});
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].outcome, Outcome::retry);
    EXPECT_EQ(answers[0].attempts, 3);
    EXPECT_EQ(transport.started, 3);
  }
}

TEST_F(ClientTest, succeeds_on_the_third_attempt) {
  Ledger accounts(ledger());
  ScriptedTransport transport([](int n) { return n < 3 ? status_reply(500) : good_reply(); });
  const auto answers = ask(accounts, transport, 1);
  EXPECT_EQ(answers[0].outcome, Outcome::answered);
  EXPECT_EQ(answers[0].attempts, 3);
}

TEST_F(ClientTest, what_cannot_get_better_is_not_tried_again) {
  for (const int status : {400, 404, 422, 301, 307}) {
    Ledger accounts(folder_ / std::to_string(status));
    ScriptedTransport transport([&](int) { return status_reply(status); });
    EXPECT_EQ(ask(accounts, transport, 1)[0].outcome, Outcome::failed) << status;
    EXPECT_EQ(transport.started, 1) << status;
  }
}

TEST_F(ClientTest, retry_after_is_clamped) {
  for (const double asked : {300.0, 3600.0, 1e9}) {
    Ledger accounts(folder_ / std::to_string(asked));
    ScriptedTransport transport(
        [&](int n) { return n == 1 ? status_reply(429, asked) : good_reply(); });
    const double before = clock_.now_s();
    (void)ask(accounts, transport, 1);
    ASSERT_NEAR(clock_.now_s() - before, 120, 1);
  }
  Ledger accounts(folder_ / "negative");
  ScriptedTransport transport([](int n) { return n == 1 ? status_reply(429, -5) : good_reply(); });
  const double before = clock_.now_s();
  (void)ask(accounts, transport, 1);
  EXPECT_LT(clock_.now_s() - before, 3);
}

TEST_F(ClientTest, an_untrusted_certificate_ends_the_work) {
  Ledger accounts(ledger());
  ScriptedTransport transport([](int) { return failed_reply(TransportFailure::untrusted); });
  expect_error([&] { (void)ask(accounts, transport, 1); }, ExitCode::kJudge, {"certificate"});
  EXPECT_EQ(transport.started, 1);
}

TEST_F(ClientTest, keeps_within_the_concurrency) {
  Ledger accounts(ledger());
  ScriptedTransport transport([](int) { return good_reply(); });
  EXPECT_EQ(ask(accounts, transport, 40, {.client = {.concurrency = 5}}).size(), 40u);
  EXPECT_EQ(transport.most_flying, 5u);
}

// Every reply costs a random amount up to the reserve; the bill of the "server" is kept apart.
TEST_F(ClientTest, spending_never_passes_the_cap) {
  for (int trial = 0; trial < 30; ++trial) {
    RandomStream random(static_cast<uint64_t>(trial), "spending");
    const fs::path path = folder_ / ("cap" + std::to_string(trial));
    const Price price{.input_per_million = 1e6 * random.uniform(), .output_per_million = 1e6};
    const double cap = 20 + 60 * random.uniform();
    double billed = 0;
    ScriptedTransport transport([&](int) {
      if (random.below(10) == 0) {  // worked, but the reply was lost
        billed += price.cost(9, 4);
        return failed_reply(TransportFailure::timeout);
      }
      const auto input = static_cast<int64_t>(random.below(10));
      const auto output = static_cast<int64_t>(random.below(5));
      billed += price.cost(input, output);
      return good_reply(input, output);
    });
    const ScriptedOptions options{
        .client = {.concurrency = 1 + static_cast<int64_t>(random.below(32))},
        .accounts = {.max_output_tokens = 4, .max_usd = cap, .price = price}};
    for (int resume = 0; resume < 2; ++resume) {  // a resume does not forget
      Ledger accounts(path);
      expect_error([&] { (void)ask(accounts, transport, 200, options); },
                   ExitCode::kSpendingCap,
                   {"max_usd"});
      EXPECT_LE(billed, cap) << "trial " << trial;
      EXPECT_LE(accounts.spent_usd(), cap);
      EXPECT_GE(accounts.spent_usd(), billed - 1e-6);
    }
  }
}

TEST_F(ClientTest, the_ledger_answers_what_is_paid_and_charges_what_was_in_flight) {
  const Price price{.input_per_million = 1e6, .output_per_million = 0};
  const ScriptedOptions options{.accounts = {.max_usd = 1e6, .price = price}};
  ScriptedTransport transport([](int) { return good_reply(3, 0); });
  {
    Ledger accounts(ledger());
    (void)ask(accounts, transport, 4, options);
    EXPECT_EQ(accounts.spent_usd(), 12);
    accounts.intend("lost at a kill", 5);
  }
  for (int start = 0; start < 2; ++start) {
    Ledger accounts(ledger());
    EXPECT_EQ(accounts.spent_usd(), 17);
    const auto answers = ask(accounts, transport, 4, options);
    EXPECT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[0].usd, 3);
    EXPECT_EQ(accounts.spent_usd(), 17);
  }
  EXPECT_EQ(transport.started, 4);
}

TEST_F(ClientTest, a_reply_without_a_bill_costs_what_was_reserved) {
  Ledger accounts(ledger());
  ScriptedTransport transport([](int) {
    TransportReply reply = good_reply();
    reply.body = R"({"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":-5}})";
    return reply;
  });
  const Price price{.input_per_million = 1e6, .output_per_million = 1e6};
  const auto answers =
      ask(accounts,
          transport,
          1,
          {.accounts = {.max_output_tokens = 100, .max_usd = 1000, .price = price}});
  EXPECT_EQ(answers[0].usd, 9 + 100);  // "request 0" and the longest reply
}

TransportReply billed_reply(double usd) {
  TransportReply reply = good_reply();
  reply.body = fmt::format(
      R"({{"choices":[{{"message":{{"content":"x"}}}}],"usage":{{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,"cost":{}}}}})",
      usd);
  return reply;
}

// One call at a time, so that what the server states is known before the next one leaves.
TEST_F(ClientTest, a_server_that_bills_more_than_its_price_is_kept_within_the_cap) {
  for (const Price& price : {Price{}, Price{.input_per_million = 1, .output_per_million = 1}}) {
    fs::remove(ledger());
    Ledger accounts(ledger());
    ScriptedTransport transport([](int) { return billed_reply(2); });
    const ScriptedOptions options{.client = {.concurrency = 1},
                                  .accounts = {.max_usd = 7, .price = price}};
    expect_error([&] { (void)ask(accounts, transport, 10, options); },
                 ExitCode::kSpendingCap,
                 {"judge.max_usd is 7"});
    EXPECT_EQ(transport.started, 3) << "a fourth call could cost 2 as well";
    EXPECT_EQ(accounts.spent_usd(), 6);
  }
}

TEST_F(ClientTest, a_damaged_ledger_is_refused) {
  publish_file(ledger(), "{\"seq\":0,\"crc32c\":\"00000000\",\"body\":{}}\n{}\n{}\n");
  EXPECT_THROW(Ledger{ledger()}, Error);
}

}  // namespace
}  // namespace thoughtrank
