#include "text/regex.h"

#include <gtest/gtest.h>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

using Parts = std::vector<std::string_view>;

TEST(Regex, IsolatesMatchesAndWhatLiesBetween) {
  const Regex digits(R"(\p{N})", "test");
  EXPECT_EQ(digits.isolate("ab12c"), (Parts{"ab", "1", "2", "c"}));
  EXPECT_EQ(digits.isolate(""), Parts{});
  EXPECT_EQ(digits.isolate("x"), Parts{"x"});
}

TEST(Regex, WhiteSpaceIsTheUnicodeProperty) {
  EXPECT_EQ(translate_pattern(R"(\s+(?!\S)|[^\s\p{L}])", "test"),
            R"(\p{White_Space}+(?!\P{White_Space})|[^\p{White_Space}\p{L}])");
  const Regex spaces(R"(\s+)", "test");
  EXPECT_EQ(spaces.isolate("a\xC2\xA0\xE3\x80\x80z"), (Parts{"a", "\xC2\xA0\xE3\x80\x80", "z"}));
  EXPECT_EQ(spaces.isolate("a\xE1\xA0\x8Ez"), Parts{"a\xE1\xA0\x8Ez"});  // U+180E
}

TEST(Regex, LiteralsAreEscaped) {
  const Regex dots = Regex::of_literal(".*", "test");
  EXPECT_EQ(dots.isolate("a.*b"), (Parts{"a", ".*", "b"}));
}

TEST(Regex, WhatTheLibrariesReadDifferentlyIsRefused) {
  for (const char* pattern : {R"(\w+)",
                              R"(\bx)",
                              "a.b",
                              "^a",
                              "a$",
                              R"(\p{N}{1,3}+)",
                              "[[a]b]",
                              "[a&&b]",
                              "(?<n>a)",
                              "(?s)a",
                              "(*UCP)a",
                              R"(\h)",
                              R"(\pL)",
                              "\\"}) {
    EXPECT_THROW(Regex(pattern, "test"), Error) << pattern;
  }
}

TEST(Regex, PossessiveQuantifiersOfCharacterClassesAreKept) {
  EXPECT_NO_THROW(
      Regex(R"([^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*)", "test"));
}

}  // namespace
}  // namespace thoughtrank
