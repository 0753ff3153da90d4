#include "data_room.h"
#include "thoughtrank/data/examples.h"

namespace thoughtrank {
namespace {

class ExampleFile : public FileTest {
 protected:
  std::vector<ExampleRow> read(const std::string& bytes, const std::string& name = "e.jsonl") {
    return read_example_file(write(name, bytes));
  }
  // The second line must be refused, naming it and `part`.
  void expect_refused(const std::string& line, const std::string& part) {
    expect_bad_data(
        [&] {
          (void)read(R"({"prompt":"a","thought":"b","answer":"c"})"
                     "\n" +
                     line + "\n");
        },
        {"e.jsonl:2", part});
  }
};

TEST_F(ExampleFile, TakesWhatAPromptFileHasAndAThought) {
  const auto rows =
      read(R"({"prompt":"2 + 2?","thought":"Two and two.","answer":4.50,"id":"x"})"
           "\n"
           R"({"question":"b","thought":" c\n","answer":"d"})"
           "\n"
           R"({"messages":[{"role":"user","content":"e"}],"thought":"f","answer":true})"
           "\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].prompt, "2 + 2?");
  EXPECT_EQ(rows[0].thought, "Two and two.");
  EXPECT_EQ(rows[0].answer, "4.50");
  EXPECT_EQ(rows[1].thought, " c\n");
  EXPECT_EQ(rows[2].prompt, "e");
  EXPECT_EQ(rows[2].answer, "true");
}

TEST_F(ExampleFile, SaysWhatARowLacks) {
  expect_refused(R"({"prompt":"a","answer":"b"})", "'thought'");
  expect_refused(R"({"prompt":"a","thought":" ","answer":"b"})", "the thought is empty");
  expect_refused(R"({"prompt":"a","thought":"b"})", "'answer'");
  expect_refused(R"({"prompt":"a","thought":"b","answer":" "})", "'answer'");
  expect_refused(R"({"thought":"a","answer":"b"})", "'prompt', 'question' or 'messages'");
  expect_refused(R"({"prompt":"a","thought":7,"answer":"b"})", "'thought'");
  expect_refused(R"({"prompt":"a","thought":"b","answer":"c","system":"d"})", "system message");
  expect_refused("[1]", "expected a JSON object");
}

TEST_F(ExampleFile, IsJsonLinesWithARow) {
  expect_bad_data([&] { (void)read(""); }, {"e.jsonl", "holds no example"});
  expect_bad_data([&] { (void)read("a\n", "e.txt"); }, {"e.txt", ".jsonl"});
  EXPECT_THROW((void)read_example_file("/nowhere/e.jsonl"), Error);
}

}  // namespace
}  // namespace thoughtrank
