// UTF-8 helpers shared by every room that touches model text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thoughtrank {

[[nodiscard]] bool is_valid_utf8(std::string_view bytes);

// Each maximal invalid part becomes one U+FFFD (the Unicode standard's "substitution of maximal
// subparts", the same as Python's errors="replace").
[[nodiscard]] std::string to_valid_utf8(std::string_view bytes);

// Length of the longest prefix that does not end inside a character. For bytes that stream in.
[[nodiscard]] size_t complete_utf8_prefix(std::string_view bytes);

// Control characters (but \n and \t) as visible escapes, so that model text cannot drive a
// terminal.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace thoughtrank
