// How many tokens a text may have for a model whose tokenizer is not known: a rough count of three
// bytes a token, by which requests are kept within a bound.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thoughtrank {

inline constexpr int64_t kBytesPerToken = 3;

[[nodiscard]] int64_t estimated_tokens(std::string_view text);
// Returns the longest prefix of whole characters with at most `tokens` estimated tokens.
[[nodiscard]] std::string cut_to_tokens(const std::string& text, int64_t tokens);

}  // namespace thoughtrank
