#include "thoughtrank/llm/tokens.h"

#include <algorithm>

#include "thoughtrank/core/utf8.h"

namespace thoughtrank {

int64_t estimated_tokens(std::string_view text) {
  return (static_cast<int64_t>(text.size()) + kBytesPerToken - 1) / kBytesPerToken;
}

std::string cut_to_tokens(const std::string& text, int64_t tokens) {
  const auto bytes = static_cast<size_t>(std::max<int64_t>(0, tokens) * kBytesPerToken);
  if (text.size() <= bytes) return text;
  return text.substr(0, complete_utf8_prefix(std::string_view(text).substr(0, bytes)));
}

}  // namespace thoughtrank
