// What one branch does after each token: think, close the thought, answer. A pure state machine
// over ids and their bytes; it sees the tokens only, so a lag of the device changes nothing.
//
//   thinking  until the bytes of the close tag have appeared (model), or an eos id is chosen (eos;
//             that token is dropped), or the loop rule fires (loop), or the budget is reached
//             (cap). In the last three the close tag's own ids are forced, after what is there:
//             nothing is trimmed.
//   answering until an eos id (eos; kept), the loop rule (loop), or the budget (length).
//
// The budget of the thought counts the chosen tokens that begin before the close tag. While the
// thought's bytes end in a part of the tag, the tokens that begin inside that part do not count
// yet, so a tag that is half-written when the budget is reached may be completed. If it is broken
// off instead, these tokens count, and the thought has exceeded its budget by fewer tokens than the
// tag has bytes. A budget of 0 closes the thought at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "generate/loop_detector.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/decode/decoder.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// What all branches share.
struct ThoughtPlan {
  const Tokenizer& tokenizer;
  std::string close;               // the close tag
  std::vector<int64_t> close_ids;  // what is forced
  std::vector<int64_t> eos_ids;
  int64_t thought_tokens = 0;
  int64_t answer_tokens = 0;
  bool loop_rule = true;

  // Upper bound of the tokens after a head.
  [[nodiscard]] int64_t most_tokens() const;
};

// How a branch begins.
struct ThoughtStart {
  bool has_thought = true;   // false: the branch answers directly
  std::string thought = "";  // bytes of the head after the open tag
  bool takes_first = false;  // the first token told is the head's last one (BranchStart::first_of)
};

// What a branch has come to. Log-probabilities are sums over the chosen tokens of a stage: the
// close tag's where the model wrote it, and eos, included; heads, forced and dropped tokens not.
struct ThoughtResult {
  std::string thought;        // bytes between open and close tag
  std::string answer;         // bytes after the close tag, without eos
  int64_t head_tokens = 0;    // tokens told that belong to the head: 0 or 1
  int64_t answer_tokens = 0;  // tokens after the one that ends the close tag
  int64_t answer_offset = 0;  // bytes of that closing token that belong to the answer
  ThoughtEnd thought_end = ThoughtEnd::none;
  std::optional<Finish> finish;  // none while the branch runs
  double thought_logprob = 0;
  double answer_logprob = 0;
  double margin_sum = 0;  // over the answer's tokens
};

class ThoughtRule : public BranchRule {
 public:
  // `plan` outlives the rule.
  ThoughtRule(const ThoughtPlan& plan, ThoughtStart start);
  BranchStep on_token(const TokenChoice& token) override;

  [[nodiscard]] const ThoughtResult& result() const { return result_; }

 private:
  enum class Stage { head, thinking, closing, answering };

  BranchStep begin(const TokenChoice& token);
  BranchStep think(const TokenChoice& token);
  BranchStep close(const TokenChoice& token);
  BranchStep answer(const TokenChoice& token);

  BranchStep force_close(ThoughtEnd thought_end, bool drops_token);
  BranchStep begin_answer();
  BranchStep stop(Finish finish);
  bool takes_close_tag(int64_t id);
  [[nodiscard]] int64_t counted_tokens() const;
  [[nodiscard]] bool is_eos(int64_t id) const;

  const ThoughtPlan& plan_;
  Stage stage_;
  ThoughtResult result_;
  std::vector<size_t> starts_;  // where each token of the thought begins in result_.thought
  size_t closing_left_ = 0;     // forced ids of the close tag still to come
  LoopDetector loop_;
};

}  // namespace thoughtrank
