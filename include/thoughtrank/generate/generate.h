// From prompts to finished branches: head encoding in three modes, the thought → answer state
// machine, and rows. Knows a decoder and a tokenizer; no tensor.
//
// A text is the bytes of its tokens one after the other: a head goes on from the prompt without the
// space that SentencePiece puts before a text, and an answer keeps the space it was generated with.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/decode/decoder.h"
#include "thoughtrank/decode/verify.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

// How a branch's character becomes the head of its thought: in the same text as the open tag, as
// tokens of its own, or as the model's best token that begins with it.
enum class HeadMode : uint8_t { literal, token, constrained };
inline constexpr EnumWords<HeadMode, 3> kHeadModes = {{{HeadMode::literal, "literal"},
                                                       {HeadMode::token, "token"},
                                                       {HeadMode::constrained, "constrained"}}};

struct BranchOptions {
  std::string chars = "a-zA-Z0-9";  // single characters and ranges, in this order
  int64_t samples_per_char = 1;     // branches of each character
  std::string open = "<thought>";
  std::string close = "</thought>";
  HeadMode mode = HeadMode::literal;
  void visit(FieldVisitor& v);
};

struct GenerateOptions {
  // Tokens chosen after the head that begin before the close tag. A tag half-written when they are
  // spent may be completed; one broken off then exceeds them by fewer tokens than it has bytes.
  int64_t thought_tokens = 128;
  int64_t answer_tokens = 2048;  // tokens after the one that ends the close tag, eos included
  bool loop_rule = true;
  // Of branches; held-out answers are always greedy.
  double temperature = 0;  // 0: the most probable token
  double top_p = 1;
  std::optional<int64_t> slots;
  void visit(FieldVisitor& v);
};

// Expands "a-zA-Z0-9" to {"a", …, "9"}: at most 62 characters of UTF-8; a hyphen at either end is
// itself. Throws Error(kConfig) for empty, duplicate or reversed ranges.
[[nodiscard]] std::vector<std::string> expand_chars(const std::string& chars);

// Returns how many branches a prompt has: samples_per_char of each character.
[[nodiscard]] int64_t branches_per_prompt(const BranchOptions& branches);

// Returns the ids of the open tag alone, where it goes on from a prompt. Throws Error(kConfig) when
// the tokenizer cannot write it exactly.
[[nodiscard]] TokenIds open_tag_ids(const Tokenizer& tokenizer, const BranchOptions& branches);

class Generator {
 public:
  struct Setup {
    const Tokenizer& tokenizer;
    BranchOptions branches;
    GenerateOptions generate;
    std::vector<int64_t> eos_ids;  // the model's and the template's
    std::string model_sha256;
    int64_t round = 0;
    int64_t seed = 0;  // of the tokens that branches draw
  };
  // Checks heads and close tag against the tokenizer once. Throws Error(kConfig).
  Generator(Decoder& decoder, Setup setup);
  ~Generator();

  [[nodiscard]] int64_t branch_count() const;

  // Generates every branch of every prompt that `is_done(prompt_index, branch)` does not know yet
  // and gives each row the moment it is finished (any order). `prompts` carry token_ids. A branch
  // that broke (non-finite logits, a text longer than the context) is a row too: finish "error", as
  // far as it got. Error(kInternal) at the end when branches found no memory: those are no rows.
  void generate_branches(const std::vector<PromptRow>& prompts,
                         const std::function<bool(size_t prompt_index, int64_t branch)>& is_done,
                         const std::function<void(size_t prompt_index, OutputRow row)>& take,
                         const StopFlag& stop,
                         Progress& progress);

  // Generates one greedy row per prompt: with `with_thought` the open tag alone is forced, else the
  // model answers directly (then a prompt needs two token ids). Rows carry branch -1, char "" and,
  // without a thought, an empty thought, an empty thought_end and head_len 0.
  void generate_greedy(const std::vector<PromptRow>& prompts,
                       bool with_thought,
                       const std::function<bool(size_t prompt_index)>& is_done,
                       const std::function<void(size_t prompt_index, OutputRow row)>& take,
                       const StopFlag& stop,
                       Progress& progress);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes every branch of every prompt as the decoder gets it from a Generator with this setup, for
// verify_decoding: groups in the order of `prompts`, heads in the order of branches.chars.
[[nodiscard]] std::vector<VerifyGroup> verify_groups(const Generator::Setup& setup,
                                                     int64_t vocab_size,
                                                     const std::vector<PromptRow>& prompts);

// Returns the text of the bytes of `ids` (U+FFFD where they end inside a character).
[[nodiscard]] std::string token_text(const Tokenizer& tokenizer, const std::vector<int64_t>& ids);

}  // namespace thoughtrank
