// The channels behind one interface: batch files there and back, a replay, and how a server's
// dialect is found.
#include "thoughtrank/llm/channel.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "llm/llm_room.h"
#include "llm/scripted_transport.h"
#include "thoughtrank/llm/batch.h"
#include "thoughtrank/llm/credentials.h"
#include "thoughtrank/llm/dialect_probe.h"

namespace thoughtrank {
namespace {

// Requests are named by their number; each costs a dollar a byte.
class ChannelTest : public LlmTest {
 protected:
  [[nodiscard]] static Connection connection_over(std::unique_ptr<Transport> transport) {
    Connection connection;
    connection.endpoint = "https://judge.example/v1";
    connection.model = "mock";
    auto chat = std::make_unique<ChatProtocol>(server_at("https://judge.example/v1"));
    connection.chat = chat.get();
    connection.protocol = std::move(chat);
    connection.secret = std::make_shared<const Secret>();
    connection.transport = std::move(transport);
    connection.price = {.input_per_million = 1e6, .output_per_million = 0};
    return connection;
  }
  [[nodiscard]] static Connection connection_to_nowhere() {
    return connection_over(std::make_unique<ScriptedTransport>([](int) -> TransportReply {
      ADD_FAILURE() << "a batch file sends nothing";
      return good_reply();
    }));
  }
  [[nodiscard]] ChannelParts parts(Ledger& accounts) const {
    return {.ledger = accounts, .clock = const_cast<FakeClock&>(clock_), .stop = stop_};
  }
  [[nodiscard]] ChannelOptions exporting(double max_usd = 1000) const {
    return {.max_usd = max_usd, .batch_export = folder_ / "batch.jsonl"};
  }
  // How many calls stand in the file, how many of them stood in an earlier one.
  std::pair<int64_t, int64_t> export_calls(Ledger& accounts, int calls) {
    const Connection connection = connection_to_nowhere();
    const auto channel = open_channel(connection, exporting(), parts(accounts));
    for (int n = 0; n < calls; ++n) channel->submit(uint64_t(n), fmt::format("{{\"n\":{}}}", n));
    try {
      (void)channel->wait();
    } catch (const BatchWritten& written) {
      EXPECT_EQ(std::string(written.what()),
                fmt::format("{} calls are in the batch file", written.calls()));
      return {written.calls(), written.exported_before()};
    }
    return {0, 0};
  }
  // The results of the first `answered` lines; the others expired.
  void answer_batch(int answered) {
    std::istringstream lines(read_file(folder_ / "batch.jsonl"));
    std::string results;
    for (std::string line; std::getline(lines, line);) {
      const Json id = parse_json(line, "line")["custom_id"];
      const Json body = parse_json(reply_body(3, 1), "body");
      const bool is_answered = answered-- > 0;
      results += dump_json({{"custom_id", id},
                            {"response",
                             is_answered ? Json{{"status_code", 200}, {"body", body}} : Json()},
                            {"error", is_answered ? Json() : Json{{"code", "batch_expired"}}}}) +
                 "\n";
    }
    publish_file(folder_ / "results.jsonl", results);
  }
  int64_t import(Ledger& accounts) {
    return import_batch(folder_ / "results.jsonl", connection_to_nowhere(), exporting(), accounts);
  }
};

TEST_F(ChannelTest, a_batch_file_holds_what_is_not_known_and_its_results_are_replies) {
  Ledger accounts(ledger());
  EXPECT_EQ(export_calls(accounts, 3), (std::pair<int64_t, int64_t>{3, 0}));
  EXPECT_EQ(accounts.exported(), 3);
  EXPECT_EQ(accounts.reserved_usd(), 3 * 7) << "a dollar for each byte of {\"n\":0}";
  EXPECT_EQ(export_calls(accounts, 3), (std::pair<int64_t, int64_t>{3, 3}));
  EXPECT_EQ(accounts.reserved_usd(), 3 * 7);
  answer_batch(2);
  EXPECT_EQ(import(accounts), 2);
  EXPECT_EQ(accounts.spent_usd(), 2 * 3);
  EXPECT_EQ(accounts.reserved_usd(), 0);
  EXPECT_EQ(export_calls(accounts, 3), (std::pair<int64_t, int64_t>{0, 0})) << "two are known";
}

TEST_F(ChannelTest, a_call_that_fails_in_three_batches_is_given_up) {
  Ledger accounts(ledger());
  for (int batch = 0; batch < 3; ++batch) {
    EXPECT_EQ(export_calls(accounts, 1).first, 1);
    answer_batch(0);
    // A file of the same bytes says nothing new about another batch.
    publish_file(folder_ / "results.jsonl",
                 read_file(folder_ / "results.jsonl") + std::string(size_t(batch), '\n'));
    EXPECT_EQ(import(accounts), 0);
  }
  const Connection connection = connection_to_nowhere();
  const auto channel = open_channel(connection, exporting(), parts(accounts));
  channel->submit(0, "{\"n\":0}");
  const auto replies = channel->wait();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].outcome, Outcome::retry);
  EXPECT_EQ(replies[0].attempts, 3);
  channel->forget(replies[0].request_sha256);
  EXPECT_EQ(export_calls(accounts, 1).first, 1) << "may be asked again";
}

TEST_F(ChannelTest, a_batch_keeps_within_the_cap_and_foreign_results_are_refused) {
  Ledger accounts(ledger());
  const Connection connection = connection_to_nowhere();
  const auto channel = open_channel(connection, exporting(/*max_usd=*/10), parts(accounts));
  channel->submit(0, "{\"n\":0}");
  expect_error([&] { channel->submit(1, "{\"n\":1}"); }, ExitCode::kSpendingCap, {"max_usd"});
  publish_file(folder_ / "results.jsonl", "{\"custom_id\":\"of another run\",\"result\":{}}\n");
  expect_error([&] { (void)import(accounts); }, ExitCode::kBadData, {"results"});
  publish_file(folder_ / "results.jsonl", "{\"custom_id\":\"x\",\"method\":\"POST\"}\n");
  expect_error([&] { (void)import(accounts); }, ExitCode::kBadData, {"the call itself"});
}

// Batch A is given up, the same calls go out as B; then A's results come, after all.
TEST_F(ChannelTest, results_of_a_batch_that_was_given_up_do_not_end_the_one_that_is_out) {
  Ledger accounts(ledger());
  EXPECT_EQ(export_calls(accounts, 2).first, 2);
  answer_batch(1);
  fs::rename(folder_ / "results.jsonl", folder_ / "a.jsonl");
  EXPECT_EQ(accounts.discard_exported(), 2);
  EXPECT_EQ(accounts.spent_usd(), 2 * 7) << "it may have been worked on";
  EXPECT_EQ(export_calls(accounts, 2), (std::pair<int64_t, int64_t>{2, 0}));
  answer_batch(2);
  fs::rename(folder_ / "results.jsonl", folder_ / "b.jsonl");
  fs::copy(folder_ / "a.jsonl", folder_ / "results.jsonl");
  EXPECT_EQ(import(accounts), 1) << "one of A was answered";
  EXPECT_EQ(accounts.exported(), 2) << "B is out all the same, and will be billed";
  EXPECT_EQ(accounts.spent_usd(), 3) << "A's answer, and nothing for what failed";
  EXPECT_EQ(accounts.reserved_usd(), 2 * 7);
  EXPECT_EQ(import(accounts), 0) << "A once more";
  EXPECT_EQ(accounts.spent_usd(), 3);
  fs::rename(folder_ / "b.jsonl", folder_ / "results.jsonl");
  EXPECT_EQ(import(accounts), 2);
  EXPECT_EQ(accounts.spent_usd(), 3 * 3);
  EXPECT_EQ(accounts.reserved_usd(), 0);
  const Ledger read(ledger());
  EXPECT_EQ(read.spent_usd(), accounts.spent_usd()) << "the file says the same";
  EXPECT_EQ(read.exported(), 0);
}

// An answer was of no use: its call goes out again, and the first results are imported once more.
TEST_F(ChannelTest, an_answer_that_was_voided_is_not_paid_again_by_its_own_file) {
  Ledger accounts(ledger());
  EXPECT_EQ(export_calls(accounts, 1).first, 1);
  answer_batch(1);
  EXPECT_EQ(import(accounts), 1);
  {
    const Connection connection = connection_to_nowhere();
    const auto channel = open_channel(connection, exporting(), parts(accounts));
    channel->submit(0, "{\"n\":0}");
    channel->forget(channel->wait().at(0).request_sha256);
  }
  EXPECT_EQ(import(accounts), 0) << "before it goes out again";
  EXPECT_EQ(export_calls(accounts, 1), (std::pair<int64_t, int64_t>{1, 0}));
  EXPECT_EQ(import(accounts), 0) << "and after";
  EXPECT_EQ(accounts.spent_usd(), 3);
  EXPECT_EQ(accounts.reserved_usd(), 7) << "the second call is out";
  answer_batch(1);
  EXPECT_EQ(import(accounts), 1);
  EXPECT_EQ(accounts.spent_usd(), 2 * 3);
}

// A is given up, a direct call fails meanwhile; A's answer comes, after all.
TEST_F(ChannelTest, a_direct_call_does_not_end_the_one_in_a_batch_that_was_given_up) {
  Ledger accounts(ledger());
  EXPECT_EQ(export_calls(accounts, 1).first, 1);
  answer_batch(1);
  EXPECT_EQ(accounts.discard_exported(), 1);
  {
    const Connection sending =
        connection_over(std::make_unique<ScriptedTransport>([](int) { return status_reply(429); }));
    const auto client = open_channel(sending, {.max_usd = 1e9}, parts(accounts));
    client->submit(0, "{\"n\":0}");
    EXPECT_EQ(client->wait().at(0).outcome, Outcome::retry);
  }
  EXPECT_EQ(accounts.spent_usd(), 7) << "A as it was reserved";
  EXPECT_EQ(import(accounts), 1);
  EXPECT_EQ(accounts.spent_usd(), 3) << "A as it was billed";
}

TEST_F(ChannelTest, a_second_answer_is_booked_and_the_first_one_stays) {
  Ledger accounts(ledger());
  EXPECT_EQ(export_calls(accounts, 1).first, 1);
  answer_batch(1);
  fs::rename(folder_ / "results.jsonl", folder_ / "a.jsonl");
  EXPECT_EQ(accounts.discard_exported(), 1);
  EXPECT_EQ(export_calls(accounts, 1).first, 1);
  answer_batch(1);
  const std::string b = read_file(folder_ / "results.jsonl");
  std::string marked = b;
  marked.replace(marked.find("\"text\""), 6, "\"the first\"");
  publish_file(folder_ / "results.jsonl", marked);
  EXPECT_EQ(import(accounts), 1);
  fs::rename(folder_ / "a.jsonl", folder_ / "results.jsonl");
  EXPECT_EQ(import(accounts), 1);
  EXPECT_EQ(accounts.spent_usd(), 2 * 3);
  const Connection silent = connection_over(nullptr);
  const auto replay = open_channel(silent, {}, parts(accounts));
  replay->submit(8, "{\"n\":0}");
  EXPECT_EQ(replay->wait().at(0).completion.text, "the first");
}

TEST_F(ChannelTest, waiting_for_a_server_is_no_attempt_of_a_call) {
  Ledger accounts(ledger());
  const Connection sending = connection_over(std::make_unique<ScriptedTransport>(
      [](int) { return failed_reply(TransportFailure::unreachable); }));
  const auto client = open_channel(sending, {.max_usd = 1e9, .patience_s = 60}, parts(accounts));
  client->submit(0, "{\"n\":0}");
  expect_error([&] { (void)client->wait(); }, ExitCode::kJudge, {"no judge answers"});
  EXPECT_EQ(export_calls(accounts, 1).first, 1) << "it goes into a file as if never asked";
}

TEST_F(ChannelTest, names_in_a_batch_file_are_what_providers_take) {
  Ledger accounts(ledger());
  std::set<std::string> names;
  for (int n = 0; n < 12; ++n) {
    EXPECT_EQ(export_calls(accounts, 1).first, 1);
    const auto name =
        parse_json(read_file(folder_ / "batch.jsonl"), "line")["custom_id"].get<std::string>();
    EXPECT_TRUE(std::regex_match(name, std::regex("[a-zA-Z0-9_-]{1,64}"))) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(accounts.discard_exported(), 1);
  }
}

TEST_F(ChannelTest, without_a_transport_only_the_ledger_answers) {
  Ledger accounts(ledger());
  const Connection sending =
      connection_over(std::make_unique<ScriptedTransport>([](int) { return good_reply(); }));
  const auto client = open_channel(sending, {.max_usd = 100}, parts(accounts));
  client->submit(7, "request");
  ASSERT_EQ(client->wait().size(), 1u);
  const Connection silent = connection_over(nullptr);
  const auto replay = open_channel(silent, {}, parts(accounts));
  replay->submit(8, "request");
  const auto replies = replay->wait();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].ticket, 8u);
  EXPECT_EQ(replies[0].completion.text, "text");
  expect_error([&] { replay->submit(9, "another"); }, ExitCode::kJudge, {"judge.kind replay"});
}

TEST_F(ChannelTest, the_dialect_is_asked_for_once_and_assumed_for_batches) {
  Ledger accounts(ledger());
  int started = 0;
  // Knows no schema: refuses the first four dialects.
  const Connection connection = connection_over(std::make_unique<ScriptedTransport>(
      [&](int) { return ++started <= 4 ? status_reply(400) : good_reply(10, 1); }));
  const ProbeQuestions questions{
      .format = {.system = "s", .user = "format", .labels = {"A"}, .fields = {}},
      .limit = {.system = "s", .user = "limit", .labels = {"A"}, .fields = {}}};
  const auto channel = open_channel(connection, {.max_usd = 1e9}, parts(accounts));
  settle_dialect(*channel, connection, accounts, questions);
  EXPECT_EQ(started, 6) << "four refusals, an answer, and whether its limit is read";
  connection.chat->speak(dialects().front());
  settle_dialect(*channel, connection, accounts, questions);
  EXPECT_EQ(started, 6) << "remembered";
  EXPECT_NE(connection.protocol->body(questions.format).find(R"({"type":"json_object"})"),
            std::string::npos);
  Ledger fresh(folder_ / "fresh.jsonl");
  assume_dialect(connection, fresh);
  EXPECT_NE(connection.protocol->body(questions.format).find("json_schema"), std::string::npos);
}

TEST_F(ChannelTest, a_key_is_hidden_at_once_and_found_later) {
  ::setenv("THOUGHTRANK_CHANNEL_KEY", "sk-hidden", 1);
  ServerOptions options = server_at("http://127.0.0.1:9/v1");
  options.api_key_env = "THOUGHTRANK_CHANNEL_KEY";
  hide_server_key(options);
  EXPECT_EQ(std::getenv("THOUGHTRANK_CHANNEL_KEY"), nullptr);
  EXPECT_EQ(server_key(options)->reveal(), "sk-hidden");
  options.api_key_file = "/tmp/key";
  expect_error([&] { (void)server_key(options); }, ExitCode::kConfig, {"Keep one"});
}

}  // namespace
}  // namespace thoughtrank
