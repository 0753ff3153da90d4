// Foreign text inside a message: made printable and cut at a length, so that a message stays one
// readable line.
#pragma once

#include <string>
#include <string_view>

#include "thoughtrank/core/utf8.h"

namespace thoughtrank {

[[nodiscard]] inline std::string shorten(std::string_view text, size_t most_bytes = 60) {
  if (text.size() <= most_bytes) return printable(text);
  const std::string_view head = text.substr(0, most_bytes);
  return printable(head.substr(0, complete_utf8_prefix(head))) + "…";
}

}  // namespace thoughtrank
