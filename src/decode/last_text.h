// The keys and values of the shared text that was read last. The next one often begins alike: with
// the same system message and worked examples, which are then read once for all prompts.
#pragma once

#include <cstdint>
#include <vector>

#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {

class LastText {
 public:
  explicit LastText(KvPool& pool) : sequence_(pool) {}

  // Gives an empty sequence what a text of these ids has in common with the one read last: whole
  // pages, and never its last token, whose row must be computed.
  void lend_beginning(const std::vector<int64_t>& ids, KvSequence& to) const;
  // Keeps the whole pages of a text that was read.
  void keep(const std::vector<int64_t>& ids, const KvSequence& read);
  // Gives the memory back.
  void forget() { sequence_.clear(); }

 private:
  std::vector<int64_t> ids_;
  KvSequence sequence_;  // of the first tokens of ids_
};

}  // namespace thoughtrank
