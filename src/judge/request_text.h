// What a ranking judge is asked: the rubric, the question, and the answers under random labels in
// random order inside fences with a nonce. Pure functions of their inputs, so that the same work
// gives the same bytes. Only prompts and answers come in here; thoughts have no way in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "judge/tournament.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

// One comparison: `branches[i]` gave `answers[i]`.
struct RankCall {
  size_t task = 0;
  int64_t number = 0;  // of the call within its prompt
  std::string stage;   // pass_a | halve | finals | repeat | planted | anchor | test
  const PromptRow* prompt = nullptr;
  std::vector<std::string> answers = {};
  std::vector<int64_t> branches = {};
  bool keeps_order = false;  // anchor comparisons: both orders are asked for on purpose
};

// A call as shown: labels[i] stands before answers[order[i]].
struct ShownCall {
  std::vector<std::string> labels;
  std::vector<size_t> order;
  std::string nonce;
};

// Labels, order and nonce of the `attempt`-th showing (a re-ask is shuffled anew).
[[nodiscard]] ShownCall show(const RankCall& call, const StreamKey& key, int64_t attempt);

[[nodiscard]] const std::string& default_rubric();
[[nodiscard]] std::string system_text(const std::string& rubric);
[[nodiscard]] std::string user_text(const RankCall& call, const ShownCall& shown);

inline constexpr int64_t kFenceTokens = 40;  // around one answer
// A rough count (3 bytes a token) to bound requests by judge.max_input_tokens.
[[nodiscard]] int64_t estimated_tokens(std::string_view text);
// The longest prefix of whole characters with at most `tokens` estimated tokens.
[[nodiscard]] std::string cut_to_tokens(const std::string& text, int64_t tokens);

}  // namespace thoughtrank
