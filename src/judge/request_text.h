// What a ranking judge is asked: the rubric, the question, and the answers under random labels in
// random order inside fences with a nonce. Everything is a pure function of its inputs, so that the
// same work gives the same bytes. Only prompts and answers come in here; thoughts have no way in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "judge/verdict_stage.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/llm/question.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

// One comparison. `branches[i]` gave `answers[i]`.
struct RankCall {
  size_t task = 0;
  int64_t number = 0;  // the call's number within its prompt
  VerdictStage stage = VerdictStage::pass_a;
  const PromptRow* prompt = nullptr;
  std::vector<std::string> answers = {};
  std::vector<int64_t> branches = {};
  bool keeps_order = false;  // anchor comparisons: both orders are asked for on purpose
};

// How a call is shown. labels[i] stands before answers[order[i]].
struct ShownCall {
  std::vector<std::string> labels;
  std::vector<size_t> order;
  std::string nonce;
};

// Draws labels, order and nonce of the `attempt`-th showing (a re-ask is shuffled anew).
[[nodiscard]] ShownCall show(const RankCall& call, const StreamKey& key, int64_t attempt);

[[nodiscard]] std::string system_text(const std::string& rubric);
[[nodiscard]] std::string user_text(const RankCall& call, const ShownCall& shown);
// Returns what a judge with this rubric is asked about the call.
[[nodiscard]] Question ranking_question(const std::string& rubric,
                                        const RankCall& call,
                                        const ShownCall& shown);

// Returns a tiny ranking that shows whether a judge answers; `name` makes it a request of its own.
[[nodiscard]] Question probe_question(const std::string& rubric, const std::string& name);

inline constexpr int64_t kFenceTokens = 40;  // tokens set aside for the fence around one answer

}  // namespace thoughtrank
