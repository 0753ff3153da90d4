// Bytes of generated ids. A text is the tokens' bytes one after the other, for every kind of
// tokenizer, because it always goes on from something: a SentencePiece "▁The" is " The" here, also
// as the first token of an answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// A model may have more rows in its embedding than its tokenizer has tokens: those are no bytes.
[[nodiscard]] inline std::string_view bytes_of(const Tokenizer& tokenizer, int64_t id) {
  return id < tokenizer.vocabulary_size() ? tokenizer.token_bytes(id) : std::string_view();
}

[[nodiscard]] inline std::string bytes_of(const Tokenizer& tokenizer,
                                          const std::vector<int64_t>& ids) {
  std::string bytes;
  for (const int64_t id : ids) bytes += bytes_of(tokenizer, id);
  return bytes;
}

}  // namespace thoughtrank
