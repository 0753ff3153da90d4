#include "config/yaml_tree.h"

#include <gtest/gtest.h>

#include "config/field_text.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

using Kind = YamlValue::Kind;

YamlValue read_clean(const std::string& text) {
  std::vector<YamlProblem> problems;
  YamlValue root = read_yaml(text, problems);
  EXPECT_TRUE(problems.empty()) << text << ": " << problems[0].text;
  return root;
}

// "2:5 duplicate key…" of the only problem.
std::string problem_of(const std::string& text) {
  std::vector<YamlProblem> problems;
  (void)read_yaml(text, problems);
  EXPECT_EQ(problems.size(), 1U) << text;
  if (problems.empty()) return "";
  const auto [line, column] = problems[0].place;
  return fmt::format("{}:{} {}", line, column, problems[0].text);
}

TEST(YamlTree, KnowsWhereKeysAndValuesStand) {
  const YamlValue root = read_clean("# a comment\nfirst: 1\ngroup:\n  inner: [x, 'y']\n  none:\n");
  ASSERT_EQ(root.kind, Kind::map);
  ASSERT_EQ(root.items.size(), 2U);
  const YamlValue& first = root.items[0];
  EXPECT_EQ(first.key, "first");
  EXPECT_EQ(first.key_place.line, 2);
  EXPECT_EQ(first.place.column, 8);
  const YamlValue* inner = root.items[1].find("inner");
  ASSERT_NE(inner, nullptr);
  EXPECT_EQ(inner->key_place.line, 4);
  EXPECT_EQ(inner->key_place.column, 3);
  ASSERT_EQ(inner->items.size(), 2U);
  EXPECT_FALSE(inner->items[0].is_quoted);
  EXPECT_TRUE(inner->items[1].is_quoted);
  EXPECT_EQ(inner->items[1].place.column, 14);
  EXPECT_EQ(root.items[1].find("none")->kind, Kind::null);
}

TEST(YamlTree, FindsKeysOfMapsOnly) {
  const YamlValue root = read_clean("a: [b]\n");
  EXPECT_EQ(root.find("b"), nullptr);
  EXPECT_EQ(root.find("a")->find("b"), nullptr);
  EXPECT_EQ(root.find("a")->items[0].find("b"), nullptr);
  EXPECT_EQ(YamlValue{}.find(""), nullptr);
}

TEST(YamlTree, NothingIsNull) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~\n", "null\n"}) {
    EXPECT_EQ(read_clean(text).kind, Kind::null) << text;
  }
}

TEST(YamlTree, ScalarsStayAsTheyAreWritten) {
  const YamlValue root = read_clean("[010, 1.50, yes, 0x1F, 'it''s', \"\\u00e9\\n\", a b, 1:30]");
  std::vector<std::string> texts;
  for (const YamlValue& item : root.items) texts.push_back(item.text);
  EXPECT_EQ(texts,
            (std::vector<std::string>{"010", "1.50", "yes", "0x1F", "it's", "é\n", "a b", "1:30"}));
}

TEST(YamlTree, BlockTextsKeepTheirLines) {
  const YamlValue root =
      read_clean("rubric: |\n  first\n    second\n\n  third\nfolded: >\n  a\n  b\n");
  EXPECT_EQ(root.find("rubric")->text, "first\n  second\n\nthird\n");
  EXPECT_TRUE(root.find("rubric")->is_quoted);
  EXPECT_EQ(root.find("folded")->text, "a b\n");
}

TEST(YamlTree, EveryProblemNamesItsPlace) {
  EXPECT_EQ(problem_of("a: 1\nb: 2\na: 3\n"),
            "3:1 duplicate key 'a' (first on line 1). Keep one of them");
  EXPECT_EQ(problem_of("a: &x 1\n"), "1:4 anchors (&name) are not supported");
  EXPECT_EQ(problem_of("a: !!str 1\n").substr(0, 9), "1:4 tags ");
  EXPECT_EQ(problem_of("a: 1\n---\nb: 2\n"), "2:1 a second document begins here. Keep one of them");
  EXPECT_EQ(problem_of("a:\n  ? [x]\n  : 1\n"),
            "2:5 a key should be a plain word. Is a ']' missing?");
  EXPECT_EQ(problem_of("a:\n  ? - x\n  : 1\n"), "2:5 a key should be a plain word");
  EXPECT_EQ(problem_of("a: x\ty\n"), "1:5 tab character. Use spaces");
  EXPECT_EQ(problem_of(std::string("a: 1\nb\0: 2", 10)), "2:2 NUL byte. Is this a text file?");
  EXPECT_EQ(problem_of("a: \xC3\n"), "1:1 is not valid UTF-8");
  EXPECT_EQ(problem_of("\xEF\xBB\xBF"
                       "a: 1\n"),
            "1:1 begins with a byte order mark. Save it as UTF-8 without BOM");
}

TEST(YamlTree, AQuoteIsClosed) {
  const auto never = [](const char* place, char quote) {
    return fmt::format(
        "{} not valid YAML: the quote opened here is never closed: expected {} at "
        "the end of the value",
        place,
        quote);
  };
  for (const char* end : {"", "\n", "\nb: 2\n", "\n\n  more\n# 'a' comment\n"}) {
    EXPECT_EQ(problem_of(std::string("a: \"x") + end), never("1:4", '"')) << end;
  }
  EXPECT_EQ(problem_of("a: 1\nb: 'x\nc: 2\n"), never("2:4", '\''));
  EXPECT_EQ(problem_of("a: 1\nb: 'it''s\n"), never("2:4", '\''));
  EXPECT_EQ(problem_of("a: 'it''"), never("1:4", '\''));
  EXPECT_EQ(problem_of("a: \"x\\\"\n"), never("1:4", '"'));
  EXPECT_EQ(problem_of("a: [x, 'y]\nb: 2\n"), never("1:8", '\''));
  EXPECT_EQ(problem_of("a: {x: \"y}\n"), never("1:8", '"'));
  EXPECT_EQ(problem_of("\"a: 1\nb: 2\n"), never("1:1", '"'));
  EXPECT_EQ(problem_of("a: ! \"x\n"), never("1:4", '"'));
  EXPECT_EQ(problem_of("é: ü\nb: \"x\n"), never("2:4", '"'));
}

TEST(YamlTree, AQuoteThatEndsAtTheNextOneIsNamed) {
  const char* expected =
      "1:4 not valid YAML: the quote opened here ends on line 3 only: expected its end on line 1";
  EXPECT_EQ(problem_of("a: \"x\nb: 2\nc: \"y\"\nd: 4\n"), expected);
  EXPECT_EQ(problem_of("a: 'x\nb: 2\nc: y # that's\n"), expected);
}

TEST(YamlTree, WhatIsInQuotesIsLeftAlone) {
  const YamlValue root = read_clean(
      "a: 'it''s'\nb: \"\\\"\\\\\"\nc: \"two\n  lines\"\nd: it's \"so\"\ne: |\n  \"open\n'f': "
      "''\n");
  EXPECT_EQ(root.find("a")->text, "it's");
  EXPECT_EQ(root.find("b")->text, "\"\\");
  EXPECT_EQ(root.find("c")->text, "two lines");
  EXPECT_EQ(root.find("d")->text, "it's \"so\"");
  EXPECT_EQ(root.find("e")->text, "\"open\n");
  EXPECT_EQ(root.find("f")->text, "");
}

TEST(YamlTree, ABracketIsClosed) {
  EXPECT_EQ(problem_of("a: [1, 2\n"),
            "1:4 not valid YAML: '[' is not closed: expected ',' or ']' on line 2");
  EXPECT_EQ(problem_of("a: [1, 2"),
            "1:4 not valid YAML: '[' is not closed: expected ',' or ']' on line 1");
  EXPECT_EQ(problem_of("a: [1, [2]\nb: 3\n"),
            "1:4 not valid YAML: '[' is not closed: expected ',' or ']' on line 2");
  EXPECT_EQ(problem_of("a: {x: 1\nb: 2\n"),
            "1:4 not valid YAML: '{' is not closed: expected ',' or '}' on line 2");
  EXPECT_EQ(problem_of("{\n  a: 1,\n  b: 2\n"),
            "1:1 a key should be a plain word. Is a '}' missing?");
  EXPECT_EQ(problem_of("b: 0\na: {x: [1, 2}\n"),
            "2:13 not valid YAML: '}' does not close what is open here");
  EXPECT_EQ(problem_of("a: 1]\nb: ]\n"),
            "2:4 not valid YAML: ']' does not close what is open here");
}

TEST(YamlTree, ASyntaxErrorLeavesNothingThatCouldBeUsed) {
  for (const char* text : {"a: [1, 2\n", "a: 1\n b: 2\n", "{a: 1", "a: *x\n"}) {
    std::vector<YamlProblem> problems;
    EXPECT_EQ(read_yaml("kept: 1\n" + std::string(text), problems).kind, Kind::null) << text;
    EXPECT_FALSE(problems.empty()) << text;
  }
}

TEST(YamlTree, DepthHasALimitThatIsExact) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  std::vector<YamlProblem> problems;
  (void)read_yaml(nested(32), problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(problem_of(nested(33)), "1:33 nested deeper than 32");
}

// A JSON text is a YAML text: the tree must say what the JSON parser says.
TEST(YamlTree, ReadsJsonAsAJsonReaderDoes) {
  RandomStream stream(4, "json");
  const std::function<Json(int)> random_json = [&](int depth) -> Json {
    switch (stream.below(depth > 0 ? 7 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return stream.below(2) == 0;
      case 2:
        return static_cast<int64_t>(stream.below(1000)) - 500;
      case 3:
        return stream.normal();
      case 4:
        return std::string(1 + stream.below(3), "ab:#\"\\ 1"[stream.below(8)]);
      case 5: {
        Json list = Json::array();
        for (uint64_t left = stream.below(4); left > 0; --left)
          list.push_back(random_json(depth - 1));
        return list;
      }
      default: {
        Json map = Json::object();
        for (uint64_t n = stream.below(4); n > 0; --n)
          map["k" + std::to_string(n)] = random_json(depth - 1);
        return map;
      }
    }
  };
  for (int trial = 0; trial < 500; ++trial) {
    const Json json = random_json(4);
    ASSERT_EQ(yaml_to_json(read_clean(dump_json(json))), json) << dump_json(json);
  }
}

}  // namespace
}  // namespace thoughtrank
