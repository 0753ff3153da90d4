#include "text/byte_level.h"

#include <unordered_map>

#include "text/unicode.h"

namespace thoughtrank {
namespace {

// U+0021 … U+0143 need two bytes at most.
std::string utf8_of(unsigned code_point) {
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3F))};
}

std::array<std::string, 256> make_byte_characters() {
  std::array<std::string, 256> characters;
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool is_itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    characters[byte] = utf8_of(is_itself ? byte : next++);
  }
  return characters;
}

std::unordered_map<std::string_view, char> make_bytes_by_character() {
  std::unordered_map<std::string_view, char> bytes;
  for (size_t byte = 0; byte < 256; ++byte) {
    bytes.emplace(byte_characters()[byte], static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace

const std::array<std::string, 256>& byte_characters() {
  static const std::array<std::string, 256> characters = make_byte_characters();
  return characters;
}

std::optional<std::string> bytes_of_piece(std::string_view piece) {
  static const auto bytes_by_character = make_bytes_by_character();
  std::string bytes;
  while (!piece.empty()) {
    const std::string_view character = piece.substr(0, character_size(piece[0]));
    const auto found = bytes_by_character.find(character);
    if (found == bytes_by_character.end()) return std::nullopt;
    bytes += found->second;
    piece.remove_prefix(character.size());
  }
  return bytes;
}

}  // namespace thoughtrank
