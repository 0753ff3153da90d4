#include "decode/last_text.h"

#include <algorithm>

namespace thoughtrank {
namespace {

int64_t whole_pages(int64_t tokens) { return tokens / kPageTokens * kPageTokens; }

}  // namespace

void LastText::lend_beginning(const std::vector<int64_t>& ids, KvSequence& to) const {
  const int64_t most = std::min<int64_t>(sequence_.length(), std::ssize(ids) - 1);
  const auto end =
      std::mismatch(ids.begin(), ids.begin() + std::max<int64_t>(most, 0), ids_.begin());
  const int64_t tokens = whole_pages(end.first - ids.begin());
  if (tokens > 0) to.share(sequence_, tokens);
}

void LastText::keep(const std::vector<int64_t>& ids, const KvSequence& read) {
  const int64_t tokens = whole_pages(read.length());
  sequence_.clear();
  if (tokens > 0) sequence_.share(read, tokens);
  ids_ = ids;
}

}  // namespace thoughtrank
