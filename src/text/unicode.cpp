#include "text/unicode.h"

#include <algorithm>
#include <array>

namespace thoughtrank {
namespace {

constexpr std::array<std::string_view, 25> kWhiteSpace = {
    "\t",           "\n",           "\v",           "\f",           "\r",           " ",
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82",
    "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88",
    "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
    "\xE3\x80\x80"};

}  // namespace

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    replaced += text.substr(done, at - done);
    replaced += to;
    done = at + from.size();
  }
  replaced += text.substr(done);
  return replaced;
}

size_t character_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

size_t leading_white_space(std::string_view text) {
  size_t size = 0;
  for (;;) {
    const auto space = std::ranges::find_if(
        kWhiteSpace, [&](std::string_view s) { return text.substr(size).starts_with(s); });
    if (space == kWhiteSpace.end()) return size;
    size += space->size();
  }
}

size_t trailing_white_space(std::string_view text) {
  const size_t whole = text.size();
  for (;;) {
    const auto space =
        std::ranges::find_if(kWhiteSpace, [&](std::string_view s) { return text.ends_with(s); });
    if (space == kWhiteSpace.end()) return whole - text.size();
    text.remove_suffix(space->size());
  }
}

}  // namespace thoughtrank
