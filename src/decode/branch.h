// One branch as a pure state machine over token ids: what has been added, what the caller's rule
// says to each token, and how many of the tokens the model has read.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

class Branch {
 public:
  Branch(int64_t group, BranchStart start);

  // Ids after the shared ones: the head, then every kept token.
  [[nodiscard]] const std::vector<int64_t>& token_ids() const { return finished_.token_ids; }
  [[nodiscard]] bool is_finished() const { return is_finished_; }
  [[nodiscard]] int64_t most_tokens() const { return max_tokens_; }
  // The candidates of the next token; empty: the whole vocabulary.
  [[nodiscard]] const std::vector<int64_t>& candidates() const { return first_of_; }

  [[nodiscard]] const Sampling& sampling() const { return sampling_; }
  // The number of tokens that were added by add() or add_candidate() so far.
  [[nodiscard]] int64_t choices() const { return choices_; }

  [[nodiscard]] int64_t read() const { return read_; }
  [[nodiscard]] int64_t unread() const { return std::ssize(finished_.token_ids) - read_; }
  void mark_read(int64_t tokens) { read_ += tokens; }
  void forget_read() { read_ = 0; }  // its keys and values are gone

  // Adds the next token and whatever the rule forces after it.
  void add(const TokenChoice& choice);
  // Adds the most probable candidate by these logits (V), the lowest id on ties. It counts as
  // forced: the choice was not the model's alone.
  void add_candidate(const float* logits);
  void break_off_as_not_finite();
  // Ends the branch with an error.
  void break_off(BreakCause cause, std::string error);
  [[nodiscard]] FinishedBranch take_result() { return std::move(finished_); }

 private:
  void add_one(const TokenChoice& token, std::deque<int64_t>& forced);

  FinishedBranch finished_;
  std::vector<int64_t> first_of_;
  Sampling sampling_;
  int64_t max_tokens_;
  int64_t choices_ = 0;
  int64_t read_ = 0;
  bool is_finished_;
};

}  // namespace thoughtrank
