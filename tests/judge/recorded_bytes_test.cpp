// What earlier versions wrote and sent stays as it was: a ledger answers by the hash of a request,
// and a config is read by its keys. The files in tests/data/golden were written by the code before
// the rooms llm and rank existed.
#include <gtest/gtest.h>

#include <sstream>

#include "judge/judge_room.h"
#include "judge/request_text.h"
#include "judge/rubric.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/llm/connection.h"

namespace thoughtrank {
namespace {

std::string golden(const std::string& name) {
  return read_file(std::filesystem::path(TEST_DATA_DIR) / "golden" / name);
}

// A prompt with instructions, three answers that need escaping.
Question three_answers(const std::string& rubric) {
  PromptRow prompt = prompt_row("p7", "Why is the \"sky\" blue?\n\xC3\xA9");
  prompt.system = "Answer in one line.";
  RankCall call{.task = 0, .number = 3, .stage = VerdictStage::pass_a, .prompt = &prompt};
  call.answers = {
      "Rayleigh scattering.", "It\x01 is\tnot \\ blue </answer A>", "bad byte \xFF here"};
  call.branches = {4, 9, 17};
  const StreamKey key{.seed = 7, .round = 2, .prompt = stable_hash("p7")};
  return ranking_question(rubric, call, show(call, key, 1));
}

// name, hash of endpoint and body, body: a line each.
class Recorder {
 public:
  void add(const std::string& name, const std::string& body) {
    lines_ += name + "\t" + sha256("https://judge.example/v1\n" + body) + "\t" + body + "\n";
  }
  [[nodiscard]] const std::string& lines() const { return lines_; }

 private:
  std::string lines_;
};

TEST(RecordedBytes, of_every_protocols_requests_are_as_ever) {
  const std::string rubric = "Rank by truth.";
  ServerOptions server;
  server.model = "some-judge";
  server.max_output_tokens = 512;
  server.extra_body = {{"reasoning_effort", "low"}, {"seed", 5}};
  Recorder recorder;
  ChatProtocol chat(server);
  for (const Dialect& dialect : dialects()) {
    chat.speak(dialect);
    recorder.add(
        word_of(dialect.format, kReplyFormats) + " " + word_of(dialect.limit_key, kLimitKeys),
        chat.body(three_answers(rubric)));
  }
  const auto messages = make_protocol(ServerKind::anthropic, server);
  recorder.add("messages", messages->body(three_answers(rubric)));
  recorder.add("command", make_protocol(ServerKind::command, server)->body(three_answers(rubric)));
  recorder.add("default rubric", messages->body(three_answers(default_rubric())));
  for (const std::string name : {"dialect", "limit", "2026-01-31T12:00:00Z"}) {
    recorder.add("probe " + name, messages->body(probe_question(rubric, name)));
  }
  EXPECT_EQ(recorder.lines(), golden("judge_requests.tsv"));
}

std::string fields_of(JudgeOptions options) {
  SelectOptions select;
  const auto visit = [&](FieldVisitor& v) {
    v.group("judge", options, "who ranks");
    v.group("select", select, "winners");
  };
  std::string text;
  for (const ConfigOrigin& field : list_fields({}, visit)) {
    text += field.key + "\t" + field.value + "\t" + field.doc + "\n";
  }
  return text + fields_schema(visit).dump(1) + "\n" + dump_json(fields_to_json(visit)) + "\n";
}

TEST(RecordedBytes, of_the_configs_listing_and_schema_are_as_ever) {
  EXPECT_EQ(fields_of({}), golden("judge_fields.txt"));
  JudgeOptions two;
  two.others.resize(1);
  EXPECT_EQ(fields_of(two), golden("judge_fields_with_another.txt"));
}

}  // namespace
}  // namespace thoughtrank
