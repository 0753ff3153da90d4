// bodies.jsonl: what servers say, each with its status, what it means for the call, why there is no
// ranking in it, and the dollars to be booked at 1, .1 (from a cache), 1.25 (into it) and 10
// (output) for a million tokens.
#include <gtest/gtest.h>

#include <sstream>

#include "llm/llm_room.h"
#include "llm/messages_protocol.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/llm/outcome.h"
#include "thoughtrank/llm/protocol.h"

namespace thoughtrank {
namespace {

const Price kPrice{.input_per_million = 1,
                   .output_per_million = 10,
                   .cached_per_million = 0.1,
                   .cache_write_per_million = 1.25};

std::vector<Json> rows() {
  const fs::path file = fs::path(SOURCE_DIR) / "tests" / "llm" / "bodies.jsonl";
  std::vector<Json> rows;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);)
    rows.push_back(parse_json(line, file.string()));
  return rows;
}

Completion read(const Json& body) {
  const std::string text = dump_json(body);
  ServerOptions options;
  const bool is_message = body.is_object() && body.value("type", "") == "message";
  if (is_message) return MessagesProtocol(options).read_body(text);
  return ChatProtocol(options).read_body(text);
}

TEST(Bodies, mean_what_their_servers_say) {
  EXPECT_GT(rows().size(), 50u);
  for (const Json& row : rows()) {
    SCOPED_TRACE(row["name"].get<std::string>());
    TransportReply reply;
    reply.status = row["status"].get<int>();
    reply.body = dump_json(row["body"]);
    EXPECT_EQ(word_of(classify(reply).outcome, kOutcomes), row["outcome"].get<std::string>());
    if (row["outcome"] != "answered") continue;
    const Completion completion = read(row["body"]);
    const std::string failure = row.value("failure", "");
    EXPECT_EQ(completion.failure.empty(), failure.empty()) << completion.failure;
    EXPECT_NE(completion.failure.find(failure), std::string::npos) << completion.failure;
    if (!row.contains("usd")) continue;
    ASSERT_TRUE(completion.usage);
    EXPECT_NEAR(kPrice.cost(*completion.usage), row["usd"].get<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace thoughtrank
