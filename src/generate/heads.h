// The heads that branches are forced to begin with, as ids. A head is encoded apart from the prompt
// as something that goes on from it: a SentencePiece tokenizer's leading space is not in it, so the
// bytes of its ids are its text exactly, and two heads with different texts never share their ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/generate/generate.h"

namespace thoughtrank {

struct Head {
  std::string character;          // the forced character; "" for the open tag alone
  std::string thought;            // bytes of `ids` after the open tag
  TokenIds ids;                   // forced
  std::vector<int64_t> first_of;  // constrained mode: the head's last token is chosen among these
};

// Heads of the branches of one prompt.
struct HeadFamily {
  std::vector<Head> heads;
  bool has_thought = true;
  // How many ids of every head are prefilled with the prompt. -1: the prompt's own last id is not,
  // because a branch without a head must have something to begin with.
  int64_t shared = 0;
};

struct TokenLimits {
  int64_t vocab_size = 0;        // of the model
  std::vector<int64_t> eos_ids;  // never the first token of a thought
};

// samples_per_char heads for each of branches.chars, in that order. Error(kConfig) when chars, tags
// and mode do not go together with each other or with the tokenizer.
[[nodiscard]] HeadFamily branch_heads(const Tokenizer& tokenizer,
                                      const BranchOptions& branches,
                                      const TokenLimits& limits);
// One head: the open tag alone.
[[nodiscard]] HeadFamily open_head(const Tokenizer& tokenizer, const BranchOptions& branches);
// One empty head: the model answers directly.
[[nodiscard]] HeadFamily no_head();

// The ids of `text` where it goes on from other text. Error(kConfig) naming `what` when their bytes
// are not the text.
[[nodiscard]] TokenIds encode_exactly(const Tokenizer& tokenizer,
                                      std::string_view text,
                                      std::string_view what);

}  // namespace thoughtrank
