#include <set>

#include "data_room.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

class PromptFile : public FileTest {
 protected:
  std::vector<PromptRow> read(const std::string& bytes, const std::string& name = "p.jsonl") {
    return read_prompt_file(write(name, bytes));
  }
  // The second line must be refused, naming it and `part`.
  void expect_refused(const std::string& line, const std::string& part) {
    expect_bad_data([&] { (void)read("{\"prompt\":\"first\"}\n" + line + "\n"); },
                    {"p.jsonl:2", part});
  }
};

TEST_F(PromptFile, TakesPromptQuestionOrMessages) {
  const auto rows = read(
      "{\"prompt\":\"a\",\"id\":\"x\",\"system\":\"s\",\"answer\":\"42\"}\n"
      "{\"question\":\"b\",\"id\":7,\"source\":\"exam\"}\n"
      "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}\n"
      "{\"messages\":[{\"role\":\"system\",\"content\":\"t\"},{\"role\":\"user\",\"content\":\"d\"}"
      "],"
      "\"prompt\":null,\"id\":null}\n");
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].prompt, "a");
  EXPECT_EQ(rows[0].prompt_id, "x");
  EXPECT_EQ(rows[0].system, "s");
  EXPECT_EQ(rows[0].answer, "42");
  EXPECT_EQ(rows[1].prompt, "b");
  EXPECT_EQ(rows[1].prompt_id, "7");
  EXPECT_EQ(rows[2].prompt, "c");
  EXPECT_EQ(rows[2].system, "");
  EXPECT_EQ(rows[3].prompt, "d");
  EXPECT_EQ(rows[3].system, "t");
}

TEST_F(PromptFile, AnIdComesFromTheContent) {
  const auto rows =
      read("{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n{\"prompt\":\"a\",\"system\":\"s\"}\n");
  const auto moved = read("{\"question\":\"b\"}\n{\"prompt\":\"a\",\"answer\":\"1\"}\n");
  EXPECT_EQ(rows[0].prompt_id, moved[1].prompt_id);
  EXPECT_EQ(rows[1].prompt_id, moved[0].prompt_id);
  EXPECT_EQ((std::set<std::string>{rows[0].prompt_id, rows[1].prompt_id, rows[2].prompt_id}).size(),
            3u);
}

TEST_F(PromptFile, DuplicatesAreRefusedNamingBothLines) {
  const std::string twice = "{\"prompt\":\"a\",\"id\":\"x\"}\n{\"prompt\":\"b\",\"id\":\"x\"}\n";
  expect_bad_data([&] { (void)read(twice); }, {"p.jsonl:2", "p.jsonl:1", "'x'"});
  expect_refused("{\"prompt\":\"first\"}", "the same prompt");
}

TEST_F(PromptFile, WhatIsNoPromptIsRefused) {
  expect_refused("[]", "object");
  expect_refused("{\"text\":\"a\"}", "'prompt', 'question' or 'messages'");
  expect_refused("{\"prompt\":\"a\",\"question\":\"b\"}", "keep one");
  expect_refused("{\"prompt\":\"\"}", "empty");
  expect_refused("{\"prompt\":\" \\n\"}", "empty");
  expect_refused("{\"prompt\":3}", "prompt");
  expect_refused("{\"prompt\":\"a\",\"system\":3}", "system");
  expect_refused("{\"prompt\":\"a\",\"answer\":[]}", "answer");
  expect_refused("{\"prompt\":\"a\",\"id\":\"\"}", "'id'");
  expect_refused("{\"prompt\":\"a\",\"id\":1.5}", "id");
  expect_refused("{\"prompt\":\"\xC3\x28\"}", "UTF-8");
}

TEST_F(PromptFile, OnlyOneTurnIsTaken) {
  const std::string user = "{\"role\":\"user\",\"content\":\"a\"}";
  const std::string system = "{\"role\":\"system\",\"content\":\"s\"}";
  const std::string assistant = "{\"role\":\"assistant\",\"content\":\"b\"}";
  const auto refuse = [&](const std::string& messages, const std::string& part) {
    expect_refused("{\"messages\":" + messages + "}", part);
  };
  refuse("[]", "messages");
  refuse("\"a\"", "messages");
  refuse("[" + user + "," + assistant + "," + user + "]", "Several turns");
  refuse("[" + user + "," + assistant + "]", "messages[0]");
  refuse("[" + user + "," + user + "]", "Several turns");
  refuse("[" + system + "," + system + "," + user + "]", "messages[1]");
  refuse("[" + system + "]", "messages[0]");
  refuse("[{\"role\":\"tool\",\"content\":\"a\"}]", "'tool'");
  refuse("[{\"content\":\"a\"}]", "role");
  refuse("[{\"role\":\"user\",\"content\":[]}]", "content");
  refuse("[{\"role\":\"user\",\"content\":\"\"}]", "empty");
  expect_refused("{\"system\":\"t\",\"messages\":[" + system + "," + user + "]}", "system");
}

TEST_F(PromptFile, TextFilesHaveAPromptALine) {
  const auto rows = read(
      "\xEF\xBB\xBF"
      "one\r\n\n  \ntwo words \nthree",
      "p.txt");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].prompt, "one");
  EXPECT_EQ(rows[1].prompt, "two words ");
  EXPECT_EQ(rows[2].prompt, "three");
  EXPECT_EQ(rows[2].prompt_id, read("{\"prompt\":\"three\"}\n")[0].prompt_id);
  expect_bad_data([&] { (void)read("a\n\xFF\n", "p.txt"); }, {"p.txt:2", "UTF-8"});
  expect_bad_data([&] { (void)read("a\nb\na\n", "p.txt"); }, {"p.txt:3", "p.txt:1"});
}

TEST_F(PromptFile, AnEmptyOrForeignFileIsRefused) {
  expect_bad_data([&] { (void)read("\n"); }, {"p.jsonl", "no prompt"});
  expect_bad_data([&] { (void)read("\n\n", "p.txt"); }, {"p.txt", "no prompt"});
  expect_bad_data([&] { (void)read("a,b\n", "p.csv"); }, {"p.csv", ".jsonl or .txt"});
  expect_error([&] { (void)read_prompt_file(folder_ / "none.jsonl"); },
               ExitCode::kMissingInput,
               {"none.jsonl"});
}

}  // namespace
}  // namespace thoughtrank
