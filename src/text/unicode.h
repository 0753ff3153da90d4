// Steps over valid UTF-8 text, and the characters of Unicode's White_Space property.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thoughtrank {

inline constexpr std::string_view kSpaceMark =
    "\xE2\x96\x81";  // "▁": a space in SentencePiece vocabularies

// "aXbX" -> "aYbY"; `from` is not empty.
[[nodiscard]] std::string replace_all(std::string_view text,
                                      std::string_view from,
                                      std::string_view to);
// Bytes of the character that begins with `lead`.
[[nodiscard]] size_t character_size(char lead);
// Bytes of white space at the start and at the end of `text`.
[[nodiscard]] size_t leading_white_space(std::string_view text);
[[nodiscard]] size_t trailing_white_space(std::string_view text);

}  // namespace thoughtrank
