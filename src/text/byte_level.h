// GPT-2's one-to-one map between bytes and printable characters: byte-level vocabularies are
// written in it.
//   ' ' -> "Ġ" (U+0120), '\n' -> "Ċ" (U+010A), 'a' -> "a"
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace thoughtrank {

// The character of each byte, as UTF-8.
[[nodiscard]] const std::array<std::string, 256>& byte_characters();
// The bytes that `piece` stands for; nothing when it holds a character outside the map.
[[nodiscard]] std::optional<std::string> bytes_of_piece(std::string_view piece);

}  // namespace thoughtrank
