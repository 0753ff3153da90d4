#include "thoughtrank/core/utf8.h"

#include <spdlog/fmt/fmt.h>

#include <cstdint>

namespace thoughtrank {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

enum class Part { character, invalid, cut_off };

// What stands at the start of some bytes: a whole character, or a maximal invalid part.
struct Step {
  Part part;
  size_t length;
};

struct Lead {
  size_t continuations;     // 0: not a lead byte
  uint8_t lowest, highest;  // of the second byte
};

// Table 3-7 of the Unicode standard.
Lead lead_of(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

Step step_at(std::string_view bytes) {
  const auto first = static_cast<uint8_t>(bytes[0]);
  if (first < 0x80) return {Part::character, 1};
  const Lead lead = lead_of(first);
  if (lead.continuations == 0) return {Part::invalid, 1};
  for (size_t i = 1; i <= lead.continuations; ++i) {
    if (i == bytes.size()) return {Part::cut_off, i};
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t lowest = i == 1 ? lead.lowest : 0x80;
    const uint8_t highest = i == 1 ? lead.highest : 0xBF;
    if (byte < lowest || byte > highest) return {Part::invalid, i};
  }
  return {Part::character, lead.continuations + 1};
}

uint32_t code_point(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first;
  uint32_t code = first & (0x7Fu >> character.size());
  for (size_t i = 1; i < character.size(); ++i) {
    code = (code << 6) | (static_cast<uint8_t>(character[i]) & 0x3Fu);
  }
  return code;
}

// C0, DEL, C1, line separators, and the marks that reorder text on a terminal.
bool is_control(uint32_t code) {
  if (code == '\n' || code == '\t') return false;
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

bool is_valid_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Step step = step_at(bytes);
    if (step.part != Part::character) return false;
    bytes.remove_prefix(step.length);
  }
  return true;
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Step step = step_at(bytes);
    text += step.part == Part::character ? bytes.substr(0, step.length) : kReplacement;
    bytes.remove_prefix(step.length);
  }
  return text;
}

size_t complete_utf8_prefix(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const std::string_view tail = bytes.substr(bytes.size() - back);
    const bool is_continuation = (static_cast<uint8_t>(tail[0]) & 0xC0) == 0x80;
    if (is_continuation) continue;
    const Step step = step_at(tail);
    return step.part == Part::cut_off && step.length == back ? bytes.size() - back : bytes.size();
  }
  return bytes.size();
}

std::string printable(std::string_view text) {
  const std::string valid = to_valid_utf8(text);
  std::string_view rest = valid;
  std::string shown;
  shown.reserve(valid.size());
  while (!rest.empty()) {
    const std::string_view character = rest.substr(0, step_at(rest).length);
    const uint32_t code = code_point(character);
    if (!is_control(code)) {
      shown += character;
    } else if (code < 0x80) {
      shown += fmt::format("\\x{:02x}", code);
    } else {
      shown += fmt::format("\\u{:04x}", code);
    }
    rest.remove_prefix(character.size());
  }
  return shown;
}

}  // namespace thoughtrank
