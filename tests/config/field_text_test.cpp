#include "config/field_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "thoughtrank/config/nearest.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

TEST(FieldText, IntegersHaveOneSpelling) {
  EXPECT_EQ(read_integer("0"), 0);
  EXPECT_EQ(read_integer("-5"), -5);
  EXPECT_EQ(read_integer("62"), 62);
  EXPECT_EQ(read_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(read_integer("-9223372036854775808"), INT64_MIN);
  for (const char* text : {"",
                           "-",
                           "010",
                           "00",
                           "-01",
                           "+5",
                           "1.0",
                           "1e3",
                           "0x1F",
                           "1_000",
                           " 1",
                           "1 ",
                           "9223372036854775808",
                           "-9223372036854775809",
                           "one",
                           "١"}) {
    EXPECT_FALSE(read_integer(text)) << text;
  }
}

TEST(FieldText, NumbersAreThoseOfJson) {
  EXPECT_EQ(read_number("1"), 1);
  EXPECT_EQ(read_number("-0.5"), -0.5);
  EXPECT_EQ(read_number("1e-5"), 1e-5);
  EXPECT_EQ(read_number("2.5E+3"), 2500);
  EXPECT_TRUE(std::signbit(read_number("-0").value()));
  for (const char* text : {"",
                           ".5",
                           "1.",
                           "01",
                           "--1",
                           "1e",
                           "1e+",
                           "1.e5",
                           "inf",
                           "-inf",
                           "nan",
                           ".inf",
                           "1e999",
                           "-1e999",
                           "0x1p3",
                           "1,5",
                           " 1",
                           "1 "}) {
    EXPECT_FALSE(read_number(text)) << text;
  }
}

// Two ways to read the same grammar.
TEST(FieldText, RandomWordsAreNumbersExactlyWhereJsonSaysSo) {
  RandomStream stream(1, "numbers");
  int numbers = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    std::string text;
    for (uint64_t left = 1 + stream.below(7); left > 0; --left)
      text += "0019.eE+-"[stream.below(9)];
    const Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    // What is too small for a double is refused, as what is too large; to JSON it is 0.
    const bool is_zero = text.substr(0, text.find_first_of("eE")).find_first_of("19") == text.npos;
    const bool fits = parsed.is_number() && std::isfinite(parsed.get<double>()) &&
                      (is_zero || parsed.get<double>() != 0);
    const auto number = read_number(text);
    ASSERT_EQ(number.has_value(), fits) << text;
    if (number) {
      ASSERT_EQ(*number, parsed.get<double>()) << text;
    }
    numbers += number ? 1 : 0;
  }
  EXPECT_GT(numbers, 500);
}

TEST(FieldText, NumbersAreWrittenSoThatTheyReadBackEqual) {
  RandomStream stream(2, "numbers");
  for (int trial = 0; trial < 2000; ++trial) {
    const double value =
        stream.normal() * std::pow(10.0, static_cast<double>(stream.below(60)) - 30);
    ASSERT_EQ(read_number(number_text(value)), value) << number_text(value);
  }
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(1e-5), "1e-05");
  EXPECT_EQ(number_text(20), "20");
}

// What is written plainly must be read as the same text, by us and by any YAML reader.
TEST(FieldText, TextsReadBackAsTheyWereWritten) {
  RandomStream stream(3, "texts");
  std::vector<std::string> texts = {
      "",   "true", "null", "1",  "-x", ":",  "a:",   "a: b", "#",          "a #b",
      "~",  "'",    "\"",   "\\", "é",  "\n", "\x01", "- a",  "[",          "{",
      "&a", "*a",   "!a",   "|",  ">",  "%",  "@",    "`",    "runs/first", "a-b_c.d"};
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text;
    for (uint64_t left = stream.below(6); left > 0; --left) {
      text += "a1:/-_.# '\"\\{[&*!|>%@`,\n\t~"[stream.below(27)];
    }
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    std::vector<YamlProblem> problems;
    const YamlValue root = read_yaml("key: " + yaml_text(text) + "\n", problems);
    ASSERT_TRUE(problems.empty()) << text << ": " << problems[0].text;
    const YamlValue* value = root.find("key");
    ASSERT_NE(value, nullptr) << text;
    ASSERT_EQ(value->kind, YamlValue::Kind::scalar) << text;
    ASSERT_EQ(value->text, text);
    const Json as_json = yaml_to_json(*value);
    ASSERT_TRUE(as_json.is_string()) << text;
    ASSERT_EQ(as_json.get<std::string>(), text);
  }
  EXPECT_EQ(yaml_text("runs/first"), "runs/first");
  EXPECT_EQ(yaml_text("true"), "\"true\"");
  EXPECT_EQ(yaml_list({"a", "\"b\""}), "[a, \"b\"]");
  EXPECT_EQ(yaml_list({}), "[]");
}

TEST(FieldText, RangesAreSaidWithTheirOpenEnds) {
  EXPECT_EQ(expected_integer({}), "an integer");
  EXPECT_EQ(expected_integer({1}), "an integer of at least 1");
  EXPECT_EQ(expected_integer({1, 62}), "an integer in [1, 62]");
  EXPECT_EQ(expected_integer({std::numeric_limits<int64_t>::min(), 5}), "an integer of at most 5");
  EXPECT_EQ(expected_number({}), "a number");
  EXPECT_EQ(expected_number({0.5}), "a number of at least 0.5");
  EXPECT_EQ(expected_number({0, 1e6}), "a number in [0, 1000000]");
}

TEST(FieldText, WhatWasFoundIsDescribedInOneShortLine) {
  using Kind = YamlValue::Kind;
  EXPECT_EQ(describe({}), "null");
  EXPECT_EQ(describe({.kind = Kind::list}), "a list");
  EXPECT_EQ(describe({.kind = Kind::map}), "a mapping");
  EXPECT_EQ(describe({.kind = Kind::scalar, .text = "5"}), "'5'");
  EXPECT_EQ(describe({.kind = Kind::scalar, .text = "5", .is_quoted = true}), "\"5\"");
  const std::string hostile = describe({.kind = Kind::scalar, .text = std::string(999, '\x1b')});
  EXPECT_LT(hostile.size(), 300U);
  EXPECT_EQ(hostile.find('\x1b'), std::string::npos);
}

TEST(FieldText, GuessesOnlyWhatIsNear) {
  const std::vector<std::string> keys = {"temperature", "max_usd", "max_calls", "kind"};
  EXPECT_EQ(nearest("temprature", keys), "temperature");
  EXPECT_EQ(nearest("max_udsd", keys), "max_usd");
  EXPECT_EQ(nearest("max", keys), "max_usd");  // the first that begins so
  EXPECT_EQ(nearest("knid", keys), "kind");    // neighbours swapped are one change
  EXPECT_EQ(nearest("kind", keys), "kind");
  for (const char* word : {"", "zzz", "xkcd", "kindergarten"}) EXPECT_EQ(nearest(word, keys), "");
  EXPECT_EQ(nearest(std::string(100000, 'k'), keys), "");
  EXPECT_EQ(nearest("kind", {}), "");
  EXPECT_EQ(did_you_mean("kind"), " (did you mean 'kind'?)");
  EXPECT_EQ(did_you_mean(""), "");
}

}  // namespace
}  // namespace thoughtrank
