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

// As the Hub has them (lists beside each other) and as their makers do (a question of its own).
TEST_F(PromptFile, OptionsOfAChoiceStandInThePrompt) {
  const auto rows = read(
      R"({"id":"m","question":"Which is red?","choices":{"text":["sky","rose"],"label":["A","B"]},"answerKey":"B"})"
      "\n"
      R"({"id":"n","question":{"stem":"Which is blue?","choices":[{"text":"sky","label":"1"},{"text":"rose","label":"2"}]},"answerKey":"1"})"
      "\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].prompt, "Which is red?\nA. sky\nB. rose");
  EXPECT_EQ(rows[0].answer, "B");
  EXPECT_EQ(rows[0].prompt_id, "m");
  EXPECT_EQ(rows[1].prompt, "Which is blue?\n1. sky\n2. rose");
  EXPECT_EQ(rows[1].answer, "1");
  // A prompt of its own stands as it is, and null is nothing.
  const auto plain = read(R"({"prompt":"p","choices":["a","b"],"answer":1})"
                          "\n"
                          R"({"question":"q","choices":null,"answer":"x"})"
                          "\n");
  EXPECT_EQ(plain[0].prompt, "p");
  EXPECT_EQ(plain[0].answer, "1");
  EXPECT_EQ(plain[1].prompt, "q");
  EXPECT_EQ(plain[1].answer, "x");
  for (const char* choices :
       {R"({"text":["a"],"label":["A","B"]})", R"(["a","b"])", R"([])", R"({})", R"("a")"}) {
    expect_refused(fmt::format(R"({{"question":"q","choices":{},"answerKey":"A"}})", choices),
                   "'choices' should hold");
  }
  expect_refused(R"({"question":"q","choices":{"text":["a"],"label":["A"]}})", "answerKey");
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

TEST_F(PromptFile, AllRepeatsAreNamedAtOnceWithTheirLines) {
  const std::string twice = "{\"prompt\":\"a\",\"id\":\"x\"}\n{\"prompt\":\"b\",\"id\":\"x\"}\n";
  expect_bad_data([&] { (void)read(twice); },
                  {"p.jsonl:2", "lines 1 and 2", "'x'", "1 of 2 rows", "an id of its own"});
  expect_refused("{\"prompt\":\"first\"}", "the same prompt 'first' (lines 1 and 2)");
  std::string many;
  for (int copy = 0; copy < 7; ++copy) {
    for (int n = 0; n < 8; ++n) many += fmt::format("{{\"prompt\":\"q{}\",\"id\":{}}}\n", n, n);
  }
  expect_bad_data([&] { (void)read(many); },
                  {"p.jsonl:9",
                   "48 of 56 rows",
                   "the id '0' (lines 1, 9, 17, 25, 33 and 2 more)",
                   "the id '4'",
                   "and 3 more prompts",
                   "prompts.drop_repeats: true"});
}

TEST_F(PromptFile, RowsThatSayTheSameCanBeDropped) {
  const std::string rows =
      "{\"prompt\":\"a\",\"answer\":\"1\"}\n{\"prompt\":\"b\"}\n{\"question\":\"a\",\"answer\":1}"
      "\n";
  const auto kept = read_prompt_file(write("p.jsonl", rows), /*drops_repeats=*/true);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].prompt, "a");
  EXPECT_EQ(kept[1].prompt, "b");
  // An answer of its own says something else.
  const auto path = write("q.jsonl", rows + "{\"prompt\":\"a\",\"answer\":\"2\"}\n");
  expect_bad_data([&] { (void)read_prompt_file(path, /*drops_repeats=*/true); },
                  {"q.jsonl:4", "with other contents", "one of its answers"});
}

TEST_F(PromptFile, NumbersStandAsTheyAreWritten) {
  const auto answer = [&](const std::string& value) {
    return read("{\"nested\":{\"answer\":9.25},\"prompt\":\"a\",\"answer\":" + value + "}\n")[0]
        .answer;
  };
  EXPECT_EQ(answer("7"), "7");
  EXPECT_EQ(answer("-7"), "-7");
  EXPECT_EQ(answer("2.50"), "2.50");
  EXPECT_EQ(answer("0.1"), "0.1");
  EXPECT_EQ(answer("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(answer("123456789012345678901234567890"), "123456789012345678901234567890");
  EXPECT_EQ(answer("1e3"), "1000");
  EXPECT_EQ(answer("-1.5E-2"), "-0.015");
  EXPECT_EQ(answer("1e308").size(), 309u);
  EXPECT_EQ(answer("true"), "true");
  EXPECT_EQ(answer("false"), "false");
  EXPECT_EQ(answer("null"), "");
  EXPECT_EQ(read("{\"prompt\":\"a\",\"id\":1.50}\n")[0].prompt_id, "1.50");
}

TEST_F(PromptFile, AByteOrderMarkIsPassedOver) {
  EXPECT_EQ(read("\xEF\xBB\xBF{\"prompt\":\"a\"}\n")[0].prompt, "a");
  expect_refused("\xEF\xBB\xBF{\"prompt\":\"b\"}", "byte order mark");  // inside, it is damage
}

// What other tools write: the message names it, with a command that converts it.
TEST_F(PromptFile, ForeignShapesAreNamed) {
  const auto refuse = [&](const std::string& bytes, const MessageParts& parts) {
    expect_bad_data([&] { (void)read(bytes); }, parts);
  };
  const std::string python = "python3 -c \"";
  refuse("[\n {\"id\": 1,\n  \"prompt\": \"a\"}\n]\n",
         {"one JSON array of 1 items", "'id', 'prompt'", python});
  refuse("[{\"prompt\":\"a\"},{\"prompt\":\"b\"}]", {"one JSON array of 2 items", python});
  refuse("[\"a\"]", {"one JSON array", "dict(prompt=row)"});
  refuse("{\"version\":1,\"data\":[{\"prompt\":\"a\"}]}", {"p.jsonl:1", "'version', 'data'"});
  refuse("{\n\"version\":1,\n\"data\":[{\"prompt\":\"a\"}]}",
         {"one JSON object", "rows of 'data'"});
  refuse("{\n\"prompt\":\"a\"\n}\n{\n\"prompt\":\"b\"\n}\n", {"several lines", "jq -c"});
  refuse("{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}",
         {"'conversations'", "ShareGPT", python});
  refuse("{\"instruction\":\"a\",\"input\":\"\",\"output\":\"b\"}",
         {"'instruction', 'input', 'output'", "Alpaca", python});
  refuse("{\"Problem\":\"a\",\"solution\":\"b\"}",
         {"found 'Problem', 'solution'", "prompt=row['Problem']"});
  refuse("{\"label\":1}", {"found 'label'"});
  refuse("\"a\"\n\"b\"\n", {"a text alone", "dict(prompt=row)"});
  refuse("question,answer\n\"a, b\",c\n", {"table", "'question', 'answer'", "delimiter=','"});
  refuse("text\tlabel\r\na\tb\r\n", {"'text', 'label'", "delimiter='\\t'", "prompt=row['text']"});
  refuse("Hello, world\n", {"p.jsonl:1", "not valid JSON"});
  refuse("{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}]}",
         {"list of messages", "'messages'"});
  refuse("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}",
         {"'content' is a list of parts"});
  refuse(
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
      "\"b\"}]}",
      {"first question", python});
}

TEST_F(PromptFile, AFolderOrANameOfTheHubIsTold) {
  (void)write("train.parquet", "PAR1");
  expect_bad_data([&] { (void)read_prompt_file(folder_.path()); },
                  {"is a folder", "'train.parquet'"});
  expect_error([] { (void)read_prompt_file("openai/gsm8k"); },
               ExitCode::kMissingInput,
               {"hf download openai/gsm8k --repo-type dataset --local-dir data/gsm8k,"});
}

TEST_F(PromptFile, FilesThatAreNoTextAreNamed) {
  const auto refuse =
      [&](const std::string& bytes, const std::string& name, const MessageParts& parts) {
        expect_bad_data([&] { (void)read(bytes, name); }, parts);
      };
  refuse(std::string("\xFF\xFE{\0\"\0", 6), "p.jsonl", {"UTF-16", "iconv -f UTF-16 "});
  refuse(std::string("{\0\"\0p\0", 6), "p.jsonl", {"UTF-16", "UTF-16LE"});
  refuse(std::string("\0{\0\"\0p", 6), "p.txt", {"UTF-16", "UTF-16BE"});
  refuse("\x1F\x8B\x08", "p.jsonl", {"gzip -dc"});
  refuse("PAR1\x15", "p.parquet", {"Parquet", "pandas.read_parquet"});
  refuse(
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "p.txt", {"Git LFS"});
  refuse("question;answer\na;b\n", "p.csv", {"'question', 'answer'", "delimiter=';'"});
  refuse("{\"prompt\":\"a\"}\n", "p.json", {".jsonl or .txt", "mv "});
  refuse("[{\"prompt\":\"a\"}]\n", "p.json", {"one JSON array"});
  refuse("PK\x03\x04", "p.xlsx", {"spreadsheet", "CSV"});
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
  expect_refused("{\"prompt\":\"a\",\"id\":true}", "id");
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
  expect_bad_data([&] { (void)read("a\nb\na\n", "p.txt"); }, {"p.txt:3", "lines 1 and 3"});
}

TEST_F(PromptFile, AnEmptyOrForeignFileIsRefused) {
  expect_bad_data([&] { (void)read("\n"); }, {"p.jsonl", "no prompt"});
  expect_bad_data([&] { (void)read("\n\n", "p.txt"); }, {"p.txt", "no prompt"});
  expect_bad_data([&] { (void)read("a,b\n", "p.csv"); }, {"p.csv", "table"});
  expect_error([&] { (void)read_prompt_file(folder_ / "none.jsonl"); },
               ExitCode::kMissingInput,
               {"none.jsonl"});
}

}  // namespace
}  // namespace thoughtrank
