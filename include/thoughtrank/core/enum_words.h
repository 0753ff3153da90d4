// The words of a closed set, each value of the enum once: what a file says and what the code
// switches over. A word becomes its enum where it enters the program.
//
//   enum class Match : uint8_t { kExact, kRegex };
//   inline constexpr EnumWords<Match, 2> kMatches = {{{Match::kExact, "exact"},
//                                                     {Match::kRegex, "regex"}}};
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

namespace thoughtrank {

template <class Enum>
struct EnumWord {
  Enum value;
  const char* word;
};
template <class Enum, size_t N>
using EnumWords = std::array<EnumWord<Enum>, N>;

// Throws std::out_of_range for a value that the table lacks: that is a bug of the table.
template <class Enum, size_t N>
[[nodiscard]] std::string word_of(Enum value, const EnumWords<Enum, N>& words) {
  for (const EnumWord<Enum>& entry : words) {
    if (entry.value == value) return entry.word;
  }
  throw std::out_of_range("a value of an enum has no word");
}

// Nothing where no value has this word.
template <class Enum, size_t N>
[[nodiscard]] std::optional<Enum> value_of(const std::string& word,
                                           const EnumWords<Enum, N>& words) {
  for (const EnumWord<Enum>& entry : words) {
    if (entry.word == word) return entry.value;
  }
  return std::nullopt;
}

}  // namespace thoughtrank
