#include "thoughtrank/core/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace thoughtrank {
namespace {

// What Python's bytes.decode("utf-8", errors="replace") gives; R stands for U+FFFD.
struct Case {
  std::string bytes;
  std::string text;
};

std::vector<Case> python_cases() {
  return {
      {"\x61\x62\x63", "\x61\x62\x63"},
      {"\xc3\xa9", "\xc3\xa9"},
      {"\xc3", "R"},
      {"\xc3\x28", "R\x28"},
      {"\xe2\x82", "R"},
      {"\xe2\x82\x41", "R\x41"},
      {"\xf0\x9f\x98", "R"},
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"\xf0\x9f\x98\x78", "R\x78"},
      {"\xed\xa0\x80", "RRR"},
      {"\xe0\x80\xaf", "RRR"},
      {"\xc0\xaf", "RR"},
      {"\xf4\x90\x80\x80", "RRRR"},
      {"\xf5\x80", "RR"},
      {"\xff\xfe", "RR"},
      {"\x80\x80\x61", "RR\x61"},
      {"\xf0\x80\x80\x80", "RRRR"},
      {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf", "RRRR"},
      {"\xf8\x88\x80\x80\x80", "RRRRR"},
      {"\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", "\x61RRR\x62R\x63RR\x64"},
  };
}

std::string with_replacements(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == 'R' ? "\xEF\xBF\xBD" : std::string(1, c);
  return result;
}

TEST(Utf8, ReplacesMaximalSubpartsLikePython) {
  for (const Case& c : python_cases()) {
    EXPECT_EQ(to_valid_utf8(c.bytes), with_replacements(c.text)) << printable(c.bytes);
    EXPECT_EQ(is_valid_utf8(c.bytes), c.text.find('R') == std::string::npos);
  }
}

TEST(Utf8, RepairedTextIsValidForAllPairsOfBytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string bytes = {static_cast<char>(a), static_cast<char>(b)};
      ASSERT_TRUE(is_valid_utf8(to_valid_utf8(bytes)));
      ASSERT_EQ(to_valid_utf8(bytes) == bytes, is_valid_utf8(bytes));
    }
  }
}

// By the definition of UTF-8, without asking which code points may be written so.
std::string encode(uint32_t code) {
  const auto tail = [code](int shift) {
    return static_cast<char>(0x80 | ((code >> shift) & 0x3F));
  };
  const auto lead = [code](int mark, int shift) {
    return static_cast<char>(mark | (code >> shift));
  };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {lead(0xC0, 6), tail(0)};
  if (code < 0x10000) return {lead(0xE0, 12), tail(6), tail(0)};
  return {lead(0xF0, 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8, AcceptsEveryCodePointButSurrogates) {
  for (uint32_t code = 0; code < 0x1FFFFF; ++code) {
    const bool is_character = code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
    ASSERT_EQ(is_valid_utf8(encode(code)), is_character) << std::hex << code;
  }
}

TEST(Utf8, FindsWhereACharacterIsCut) {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
  for (size_t length = 0; length <= text.size(); ++length) {
    EXPECT_EQ(complete_utf8_prefix(text.substr(0, length)), expected[length]) << length;
  }
}

TEST(Utf8, InvalidBytesDoNotWaitForMore) {
  EXPECT_EQ(complete_utf8_prefix("a\xff"), 2u);
  EXPECT_EQ(complete_utf8_prefix("a\x80\x80\x80\x80"), 5u);
  EXPECT_EQ(complete_utf8_prefix("a\xed\xa0"), 3u);  // a surrogate: wrong already
  EXPECT_EQ(complete_utf8_prefix("\xe2"), 0u);
}

TEST(Utf8, ShowsControlCharacters) {
  EXPECT_EQ(printable("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(printable("\x1b[31mred\r\x07\x7f"), "\\x1b[31mred\\x0d\\x07\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\u009b2J");
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\u202e");
  EXPECT_EQ(printable(std::string("\0", 1)), "\\x00");
  EXPECT_EQ(printable("caf\xc3"), "caf\xEF\xBF\xBD");
  EXPECT_EQ(printable("日本 😀"), "日本 😀");
}

}  // namespace
}  // namespace thoughtrank
