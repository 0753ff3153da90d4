// The winners of a round, and the parts of a branch of which thoughts can be exchanged. Token ids
// as they were generated; nothing is tokenized again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/judge/judge.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// A branch's ids in three parts. `closing` are the tokens that hold the close tag: the first of
// them may begin with the thought's last bytes, the last may end with the answer's first.
struct BranchParts {
  TokenIds thought;  // the head (open tag and character) and what was thought after it
  TokenIds closing;
  TokenIds answer;  // with the token that ended it, if the model chose one
};
[[nodiscard]] BranchParts parts_of(const OutputRow& output,
                                   const Tokenizer& tokenizer,
                                   const std::string& close_tag);

struct Winner {
  const JudgeTask* task = nullptr;    // the prompt with its branches
  const OutputRow* output = nullptr;  // the branch that won
};
// Returns the trained winners of a round whose answer has a token of its own, in the order of
// `tasks`.
[[nodiscard]] std::vector<Winner> trained_winners(const std::vector<JudgeTask>& tasks,
                                                  const std::vector<BestOutputRow>& best);

// Returns the output of another prompt's winner for the n-th of them, as seed, round and prompt
// have it; null where all winners answer one prompt.
[[nodiscard]] const OutputRow* other_winner(const std::vector<Winner>& winners,
                                            size_t n,
                                            int64_t seed);

// Returns `output` as if it had thought what `other` did: thought and head of `other`, closing
// tokens and answer of `output`.
[[nodiscard]] OutputRow with_thought_of(const OutputRow& other,
                                        const OutputRow& output,
                                        const Tokenizer& tokenizer,
                                        const std::string& close_tag);

}  // namespace thoughtrank
