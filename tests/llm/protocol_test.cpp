// The bytes that each kind of server is sent, and what its own bytes mean.
#include "thoughtrank/llm/protocol.h"

#include <gtest/gtest.h>

#include <set>

#include "llm/messages_protocol.h"
#include "thoughtrank/llm/tokens.h"

namespace thoughtrank {
namespace {

ServerOptions options() {
  ServerOptions server;
  server.model = "m";
  server.extra_body = {{"reasoning_effort", "low"}};
  return server;
}

Question question() {
  return {.system = "Rank.",
          .user = "A or B?",
          .labels = {"B", "A"},
          .fields = {{"question", "A or B?"}, {"answers", Json::array({"a", "b"})}}};
}

std::set<std::string> keys_of(const Json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

TEST(ChatProtocol, sends_the_fewest_fields) {
  ChatProtocol protocol(options());
  const Json body = parse_json(protocol.body(question()), "body");
  EXPECT_EQ(
      keys_of(body),
      (std::set<std::string>{
          "model", "messages", "max_completion_tokens", "response_format", "reasoning_effort"}));
  EXPECT_EQ(body["response_format"]["type"], "json_schema");
  EXPECT_EQ(body["messages"].size(), 2u);
  EXPECT_EQ(body["messages"][0]["content"], "Rank.");
  EXPECT_EQ(body["messages"][1]["content"], "A or B?");
  protocol.speak({.format = ReplyFormat::text, .limit_key = LimitKey::max_tokens});
  const Json plain = parse_json(protocol.body(question()), "body");
  EXPECT_FALSE(plain.contains("response_format"));
  EXPECT_EQ(plain["max_tokens"], 2048);
}

TEST(ChatProtocol, asks_for_the_labels_as_each_format_can) {
  ChatProtocol protocol(options());
  const auto format_of = [&](ReplyFormat format) {
    protocol.speak({.format = format, .limit_key = LimitKey::max_tokens});
    return parse_json(protocol.body(question()), "body")["response_format"];
  };
  const Json labels = Json::array({"B", "A"});
  const Json strict = format_of(ReplyFormat::json_schema)["json_schema"];
  EXPECT_EQ(strict["schema"]["properties"]["ranking"]["items"]["enum"], labels);
  EXPECT_FALSE(strict["schema"]["properties"]["ranking"].contains("minItems"));
  const Json grammar =
      format_of(ReplyFormat::json_object_schema)["schema"]["properties"]["ranking"];
  EXPECT_EQ(grammar["items"]["enum"], labels);
  EXPECT_EQ(grammar["minItems"], 2);
  EXPECT_EQ(grammar["maxItems"], 2);
  EXPECT_EQ(dump_json(format_of(ReplyFormat::json_object)), R"({"type":"json_object"})");
}

TEST(ChatProtocol, every_dialect_differs_and_the_most_demanding_comes_first) {
  ChatProtocol protocol(options());
  std::set<std::string> bodies;
  for (const Dialect& dialect : dialects()) {
    protocol.speak(dialect);
    EXPECT_TRUE(bodies.insert(protocol.body(question())).second);
  }
  EXPECT_EQ(dialects().front().format, ReplyFormat::json_schema);
  EXPECT_EQ(dialects().back().format, ReplyFormat::text);
}

TEST(ChatProtocol, a_batch_line_holds_the_body_and_brings_it_back) {
  const ChatProtocol protocol(options());
  const Json line = parse_json(protocol.batch_line("id", protocol.body(question())), "line");
  EXPECT_EQ(line["custom_id"], "id");
  EXPECT_EQ(line["url"], "/v1/chat/completions");
  EXPECT_EQ(dump_json(line["body"]), protocol.body(question()));
  const TransportReply good = protocol.batch_reply(
      parse_json(R"({"response":{"status_code":429,"body":{"x":1}},"error":null})", "result"));
  EXPECT_EQ(good.status, 429);
  EXPECT_EQ(good.body, R"({"x":1})");
  const TransportReply expired = protocol.batch_reply(
      parse_json(R"({"response":null,"error":{"code":"batch_expired"}})", "result"));
  EXPECT_EQ(expired.failure, TransportFailure::unreachable);
  EXPECT_EQ(expired.detail, R"({"code":"batch_expired"})");
}

TEST(MessagesProtocol, keeps_the_system_text_beside_the_messages) {
  const MessagesProtocol protocol(options());
  const Json body = parse_json(protocol.body(question()), "body");
  EXPECT_EQ(
      keys_of(body),
      (std::set<std::string>{"model", "max_tokens", "system", "messages", "reasoning_effort"}));
  EXPECT_EQ(body["system"], "Rank.");
  EXPECT_EQ(body["messages"].size(), 1u);
  const Json line = parse_json(protocol.batch_line("id", protocol.body(question())), "line");
  EXPECT_EQ(dump_json(line["params"]), protocol.body(question()));
}

TEST(CommandProtocol, writes_the_fields_as_one_line_and_takes_what_comes) {
  const CommandProtocol protocol;
  EXPECT_EQ(protocol.body(question()),
            R"({"question":"A or B?","answers":["a","b"]})"
            "\n");
  EXPECT_EQ(protocol.read_body("anything").text, "anything");
  EXPECT_FALSE(protocol.read_body("anything").usage);
  EXPECT_FALSE(protocol.read_body("\xFF").failure.empty());
  EXPECT_THROW((void)protocol.batch_line("id", "{}"), Error);
  EXPECT_THROW((void)protocol.batch_reply({}), Error);
}

TEST(Tokens, are_three_bytes_each_and_cut_at_whole_characters) {
  EXPECT_EQ(estimated_tokens(""), 0);
  EXPECT_EQ(estimated_tokens("abc"), 1);
  EXPECT_EQ(estimated_tokens("abcd"), 2);
  EXPECT_EQ(cut_to_tokens("abc", 1), "abc");
  EXPECT_EQ(cut_to_tokens("abcd", 1), "abc");
  EXPECT_EQ(cut_to_tokens("ab\xC3\xA9", 1), "ab");
}

}  // namespace
}  // namespace thoughtrank
