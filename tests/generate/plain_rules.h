// The rules of a branch written down plainly: everything from the whole sequence, nothing kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

inline bool ends_in_loop(const std::vector<int64_t>& ids) {
  for (size_t period = 1; period <= 32 && ids.size() >= 8 * period; ++period) {
    bool repeats = true;
    for (size_t i = ids.size() - 7 * period; i < ids.size(); ++i) {
      repeats = repeats && ids[i] == ids[i - period];
    }
    if (repeats) return true;
  }
  return false;
}

// How many of the tokens of a thought that begins with `head` begin before the part of the close
// tag in which its text ends.
inline int64_t count_thought_tokens(const Tokenizer& tokenizer,
                                    const std::string& close,
                                    const std::string& head,
                                    const std::vector<int64_t>& ids) {
  std::string text = head;
  std::vector<size_t> starts;
  for (const int64_t id : ids) {
    starts.push_back(text.size());
    text += tokenizer.token_bytes(id);
  }
  size_t tag = text.size();
  for (size_t at = text.size(); at-- > 0;) {
    if (close.starts_with(text.substr(at))) tag = at;
  }
  return std::count_if(starts.begin(), starts.end(), [&](size_t start) { return start < tag; });
}

}  // namespace thoughtrank
