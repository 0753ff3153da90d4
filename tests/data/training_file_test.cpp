#include "thoughtrank/data/training_file.h"

#include <spdlog/fmt/ranges.h>

#include "data_room.h"
#include "examples.h"

namespace thoughtrank {
namespace {

class TrainingFile : public FileTest {
 protected:
  std::vector<TrainingFileRow> read(const std::string& bytes) {
    return read_training_file(write("rows.jsonl", bytes));
  }
  TrainingFileRow read_one(const Json& json) { return read(dump_json(json) + "\n").at(0); }
  // The second line must be refused, naming it and `parts`.
  void expect_refused(const std::string& line, std::vector<std::string> parts) {
    parts.emplace_back("rows.jsonl:2");
    expect_bad_data([&] { (void)read("{\"prompt\":\"a\",\"completion\":\"b\"}\n" + line + "\n"); },
                    parts);
  }
};

TEST_F(TrainingFile, ARowOfARunIsTakenAsItIs) {
  const TrainingRow given = example<TrainingRow>();
  const TrainingFileRow row = read_one(to_json(given));
  EXPECT_EQ(dump_json(to_json(row.row)), dump_json(to_json(given)));
  Json spoilt = to_json(given);
  spoilt.erase("spans");
  expect_refused(dump_json(spoilt), {"spans"});
  spoilt = to_json(given);
  spoilt["system"] = "s";
  expect_refused(dump_json(spoilt), {"unknown key 'system'"});
}

TEST_F(TrainingFile, ARowOfTextsNeedsPromptAndCompletion) {
  const TrainingFileRow row = read_one({{"prompt", "a"}, {"completion", "b"}});
  EXPECT_EQ(row.row.prompt, "a");
  EXPECT_EQ(row.row.completion, "b");
  EXPECT_EQ(row.row.branch, -1);
  EXPECT_EQ(row.row.weight, 1);
  EXPECT_EQ(row.row.prompt_id, "rows.jsonl:1") << "called by its place";
  EXPECT_TRUE(row.row.input_ids.empty());
  EXPECT_EQ(row.system, "");
  EXPECT_TRUE(row.earlier.empty());
  expect_refused("{\"prompt\":\"a\"}",
                 {"'prompt' and 'completion', or 'messages'", "found 'prompt'"});
  expect_refused("{\"prompt\":\"a\",\"completion\":\" \"}", {"'completion' is empty"});
  expect_refused("{\"prompt\":3,\"completion\":\"b\"}", {"prompt"});
  expect_refused("[]", {"expected a JSON object"});
  expect_bad_data([&] { (void)read(""); }, {"rows.jsonl", "holds no training row"});
}

TEST_F(TrainingFile, KeysOfARecordKeepTheirRules) {
  const TrainingFileRow row = read_one({{"prompt", "a"},
                                        {"completion", "b"},
                                        {"prompt_id", "x"},
                                        {"round", 2},
                                        {"branch", 3},
                                        {"weight", 0.5},
                                        {"spans", Json::array()},
                                        {"system", nullptr}});
  EXPECT_EQ(row.row.prompt_id, "x");
  EXPECT_EQ(row.row.round, 2);
  EXPECT_EQ(row.row.branch, 3);
  EXPECT_EQ(row.row.weight, 0.5);
  const std::string texts = "{\"prompt\":\"a\",\"completion\":\"b\",";
  expect_refused(texts + "\"wieght\":2}", {"unknown key 'wieght'", "weight", "python"});
  expect_refused(texts + "\"weight\":\"2\"}", {"weight"});
  expect_refused(texts + "\"branch\":3968}", {"branch"});
  expect_refused(texts + "\"spans\":[[0,1,1]]}", {"'spans' but no 'input_ids'"});
}

TEST_F(TrainingFile, ExamplesAreEarlierTurns) {
  const Json examples = {{{"prompt", "p"}, {"thought", "t"}, {"answer", "a"}},
                         {{"prompt", "q"}, {"answer", "b"}}};
  const TrainingFileRow row =
      read_one({{"system", "s"}, {"prompt", "a"}, {"completion", "b"}, {"examples", examples}});
  EXPECT_EQ(row.system, "s");
  ASSERT_EQ(row.earlier.size(), 2u);
  EXPECT_EQ(row.earlier[0].prompt, "p");
  EXPECT_EQ(row.earlier[0].thought, "t");
  EXPECT_EQ(row.earlier[0].answer, "a");
  EXPECT_EQ(row.earlier[1].thought, "");
  const auto refused = [&](const std::string& list, const std::string& part) {
    expect_refused("{\"prompt\":\"a\",\"completion\":\"b\",\"examples\":" + list + "}", {part});
  };
  refused("{}", "'examples' must be a list, found object");
  refused("[3]", "examples[0]: expected a JSON object");
  refused("[{\"prompt\":\"a\",\"answer\":\"b\"},{\"prompt\":\"a\"}]", "examples[1]");
  refused("[{\"prompt\":\"a\",\"answer\":\"\"}]", "'answer' is empty");
  refused("[{\"prompt\":\"a\",\"answer\":\"b\",\"thoughts\":\"c\"}]", "unknown key 'thoughts'");
}

Json message(const char* role, const char* text) { return {{"role", role}, {"content", text}}; }

TEST_F(TrainingFile, TheLastTurnOfAConversationIsTrained) {
  const TrainingFileRow row =
      read_one({{"examples", {{{"prompt", "p"}, {"thought", "t"}, {"answer", "a"}}}},
                {"messages",
                 {message("system", "s"),
                  message("user", "one"),
                  message("assistant", "1"),
                  message("user", "two"),
                  message("assistant", "2")}}});
  EXPECT_EQ(row.system, "s");
  EXPECT_EQ(row.row.prompt, "two");
  EXPECT_EQ(row.row.completion, "2");
  ASSERT_EQ(row.earlier.size(), 2u);
  EXPECT_EQ(row.earlier[0].prompt, "p");
  EXPECT_EQ(row.earlier[1].prompt, "one");
  EXPECT_EQ(row.earlier[1].thought, "");
  EXPECT_EQ(row.earlier[1].answer, "1");
  Json null_key = message("assistant", "1");
  null_key["name"] = nullptr;
  EXPECT_EQ(read_one({{"messages", {message("user", "x"), null_key}}}).row.completion, "1");
}

TEST_F(TrainingFile, ConversationsOfAnotherShapeAreRefused) {
  const std::string user = message("user", "u").dump(),
                    assistant = message("assistant", "a").dump(),
                    system = message("system", "s").dump();
  const auto refused = [&](const std::vector<std::string>& turns, const std::string& part) {
    expect_refused(fmt::format("{{\"messages\":[{}]}}", fmt::join(turns, ",")), {part});
  };
  refused({}, "no turn of a user");
  refused({system}, "no turn of a user");
  refused({user}, "ends in a turn of 'user'");
  refused({user, assistant, user}, "ends in a turn of 'user'");
  refused({assistant, user}, "messages[0]: found a turn of 'assistant', expected one of 'user'");
  refused({user, user, assistant}, "messages[1]: found a turn of 'user'");
  refused({user, assistant, assistant}, "messages[2]: found a turn of 'assistant'");
  refused({user, system, assistant}, "messages[1]: found a turn of 'system'");
  refused({system, system, user, assistant}, "messages[1]: found a turn of 'system'");
  refused({message("tool", "x").dump()}, "unknown role 'tool'");
  refused({"{\"from\":\"human\",\"value\":\"x\"}"}, "role");
  refused({"{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}"}, "list of parts");
  refused({"{\"role\":\"user\",\"content\":\" \"}"}, "'content' is empty");
  refused({"{\"role\":\"user\",\"content\":\"x\",\"weight\":1}"}, "unknown key 'weight'");
  expect_refused("{\"messages\":3}", {"'messages' must be a list"});
  const std::string talk = "\"messages\":[" + user + "," + assistant + "]";
  expect_refused("{" + talk + ",\"completion\":\"a\"}", {"'messages' and 'completion', keep one"});
  expect_refused("{" + talk + ",\"prompt\":\"a\"}", {"'messages' and 'prompt', keep one"});
  expect_refused("{\"system\":\"s\",\"messages\":[" + system + "," + user + "," + assistant + "]}",
                 {"'system' and a system message"});
}

TEST_F(TrainingFile, RowsOfOtherToolsAreNamedWithTheCommandThatConvertsThem) {
  expect_refused("{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"}]}",
                 {"a ShareGPT row", "turn['from']", "row['conversations']"});
  expect_refused("{\"conversation\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                 {"a ShareGPT row", "turn['role']", "turn['content']"});
  expect_refused("{\"instruction\":\"x\",\"input\":\"\",\"output\":\"y\"}",
                 {"an Alpaca row", "completion=row['output']"});
  expect_refused("{\"question\":\"x\",\"answer\":\"y\"}",
                 {"dict(prompt=row['question'], completion=row['answer'])"});
  expect_refused("{\"prompt\":[{\"role\":\"user\"}],\"completion\":[]}",
                 {"'prompt' is a list", "'messages'"});
  expect_bad_data([&] { (void)read("[{\"prompt\":\"a\"}]"); }, {"JSON array"});
}

}  // namespace
}  // namespace thoughtrank
