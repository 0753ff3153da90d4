#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/byte_level.h"
#include "text/regex.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

std::string utf8_of(uint32_t code) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (code >> shift & 63)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
}

// Every code point but the surrogates.
template <class Visit>
void for_each_character(Visit visit) {
  for (uint32_t code = 0; code < 0x110000; ++code) {
    if (code < 0xD800 || code >= 0xE000) visit(utf8_of(code));
  }
}

TEST(Unicode, TheLeadByteTellsTheSizeOfEveryCharacter) {
  for_each_character([](const std::string& character) {
    ASSERT_EQ(character_size(character[0]), character.size()) << character;
  });
}

// Two ways to say what white space is: our table, and the pattern that \s is translated to.
TEST(Unicode, WhiteSpaceIsWhatThePatternsTakeForIt) {
  const Regex space("\\s", "test");
  int spaces = 0;
  for_each_character([&](const std::string& character) {
    const bool is_space = leading_white_space(character) > 0;
    spaces += is_space ? 1 : 0;
    ASSERT_EQ(is_space, space.isolate("a" + character).size() == 2) << character;
    ASSERT_EQ(is_space, trailing_white_space(character) == character.size()) << character;
  });
  EXPECT_EQ(spaces, 25);
}

TEST(Unicode, WhiteSpaceIsCountedInBytesFromBothEnds) {
  const std::string text = " \u3000\t a \u00A0b\n\u2028";
  EXPECT_EQ(leading_white_space(text), 6U);
  EXPECT_EQ(trailing_white_space(text), 4U);
  EXPECT_EQ(leading_white_space(""), 0U);
  EXPECT_EQ(trailing_white_space(""), 0U);
  EXPECT_EQ(leading_white_space("\u3000 "), 4U);
  EXPECT_EQ(trailing_white_space("\u3000 "), 4U);
  EXPECT_EQ(trailing_white_space("x\u180E"), 0U);  // white space for some, but not for Unicode
}

TEST(Unicode, ReplacesFromLeftToRightWithoutLookingBack) {
  EXPECT_EQ(replace_all("aXbX", "X", "Y"), "aYbY");
  EXPECT_EQ(replace_all("aaa", "aa", "b"), "ba");
  EXPECT_EQ(replace_all("abab", "ab", "aab"), "aabaab");
  EXPECT_EQ(replace_all("", "X", "Y"), "");
  EXPECT_EQ(replace_all("XX", "X", ""), "");
  EXPECT_EQ(replace_all("a b", " ", kSpaceMark), "a▁b");
}

TEST(ByteLevel, BytesAndCharactersAreOneToOne) {
  std::string piece;
  for (size_t byte = 0; byte < 256; ++byte) {
    const std::string& character = byte_characters()[byte];
    EXPECT_TRUE(is_valid_utf8(character)) << byte;
    EXPECT_EQ(character_size(character[0]), character.size()) << byte;
    EXPECT_EQ(leading_white_space(character), 0U) << byte;
    EXPECT_EQ(bytes_of_piece(character), std::string(1, static_cast<char>(byte)));
    piece += character;
  }
  const std::string bytes = bytes_of_piece(piece).value();
  ASSERT_EQ(bytes.size(), 256U);
  for (size_t byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(static_cast<unsigned char>(bytes[byte]), byte);
  }
}

TEST(ByteLevel, IsGpt2sTable) {
  EXPECT_EQ(byte_characters()[' '], "Ġ");
  EXPECT_EQ(byte_characters()['\n'], "Ċ");
  EXPECT_EQ(byte_characters()['\t'], "ĉ");
  EXPECT_EQ(byte_characters()[0], "Ā");
  EXPECT_EQ(byte_characters()[0x7F], "ġ");
  EXPECT_EQ(byte_characters()[0xAD], "Ń");
  EXPECT_EQ(byte_characters()['~'], "~");
  EXPECT_EQ(bytes_of_piece("ĠÃ©"), " é");
}

TEST(ByteLevel, CharactersOutsideTheMapStandForNothing) {
  for (const char* piece : {" ", "a b", "a\u2581", "\u0144", "Ġ中", "\U0001F600"}) {
    EXPECT_FALSE(bytes_of_piece(piece)) << piece;
  }
  EXPECT_EQ(bytes_of_piece(""), "");
}

}  // namespace
}  // namespace thoughtrank
