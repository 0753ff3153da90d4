#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/generate/generate.h"

namespace thoughtrank {
namespace {

constexpr size_t kMostBranches = 62;  // what the records allow

// First byte of a valid character -> its length.
size_t character_length(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

std::vector<std::string_view> split_characters(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    characters.push_back(text.substr(0, character_length(static_cast<unsigned char>(text[0]))));
    text.remove_prefix(characters.back().size());
  }
  return characters;
}

char32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  char32_t code = character.size() == 1 ? first : first & (0xFF >> (character.size() + 1));
  for (const char byte : character.substr(1)) {
    code = code << 6 | (static_cast<unsigned char>(byte) & 0x3F);
  }
  return code;
}

std::string utf8(char32_t code) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
}

void add(std::vector<std::string>& characters, std::string character, const std::string& chars) {
  if (std::find(characters.begin(), characters.end(), character) != characters.end()) {
    fail(ExitCode::kConfig,
         "branches.chars: '{}' names '{}' twice. Each character is one branch: name it once.",
         chars,
         character);
  }
  if (characters.size() == kMostBranches) {
    fail(ExitCode::kConfig,
         "branches.chars: '{}' names more than {} characters. A prompt has at most {} branches.",
         chars,
         kMostBranches,
         kMostBranches);
  }
  characters.push_back(std::move(character));
}

void add_range(std::vector<std::string>& characters,
               std::string_view first,
               std::string_view last,
               const std::string& chars) {
  if (code_point(last) < code_point(first)) {
    fail(ExitCode::kConfig,
         "branches.chars: the range '{}-{}' in '{}' is reversed. Did you mean '{}-{}'?",
         first,
         last,
         chars,
         last,
         first);
  }
  for (char32_t code = code_point(first); code <= code_point(last); ++code) {
    add(characters, utf8(code), chars);
  }
}

}  // namespace

std::vector<std::string> expand_chars(const std::string& chars) {
  if (chars.empty() || !is_valid_utf8(chars)) {
    fail(ExitCode::kConfig,
         "branches.chars: expected characters and ranges such as 'a-zA-Z0-9' in UTF-8, found {}",
         chars.empty() ? "nothing" : "invalid UTF-8");
  }
  const std::vector<std::string_view> given = split_characters(chars);
  std::vector<std::string> characters;
  for (size_t i = 0; i < given.size(); ++i) {
    if (i + 2 < given.size() && given[i + 1] == "-") {
      add_range(characters, given[i], given[i + 2], chars);
      i += 2;
    } else {
      add(characters, std::string(given[i]), chars);
    }
  }
  return characters;
}

}  // namespace thoughtrank
