// Plain helpers to run a Decoder on a small random Llama.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "support/small_llama.h"
#include "thoughtrank/decode/decoder.h"
#include "thoughtrank/decode/list_source.h"

namespace thoughtrank {

// Logits after the last id, by the plain forward pass: (V).
inline at::Tensor plain_logits(const Llama& llama, const std::vector<int64_t>& ids) {
  const at::Tensor all = forward_logits(llama, {at::tensor(ids, at::kLong), {0, std::ssize(ids)}});
  return all[-1].to(at::kFloat);
}

// Texts of no to 80 tokens to score.
inline std::vector<std::vector<int64_t>> continuations() {
  std::vector<std::vector<int64_t>> all{{}, {5}, {5, 6}};
  for (int64_t i = 0; i < 12; ++i) {
    std::vector<int64_t> ids;
    for (int64_t t = 0; t < 3 + i * 7; ++t) ids.push_back((t * t + i * 13) % kVocabulary);
    all.push_back(ids);
  }
  return all;
}

// The log-probability of a continuation, by the plain forward pass token by token.
inline double plain_score(const Llama& llama,
                          std::vector<int64_t> ids,
                          const std::vector<int64_t>& continuation) {
  double sum = 0;
  for (const int64_t id : continuation) {
    sum += plain_logits(llama, ids).to(at::kDouble).log_softmax(0)[id].item<double>();
    ids.push_back(id);
  }
  return sum;
}

// A rule made of a function; keeps what it was told.
class RecordingRule : public BranchRule {
 public:
  using Decide = std::function<BranchStep(const std::vector<TokenChoice>& told)>;
  explicit RecordingRule(Decide decide = {}) : decide_(std::move(decide)) {}
  BranchStep on_token(const TokenChoice& token) override {
    told.push_back(token);
    return decide_ ? decide_(told) : BranchStep{};
  }
  std::vector<TokenChoice> told;

 private:
  Decide decide_;
};

inline BranchStart start_of(int64_t branch,
                            std::vector<int64_t> head_ids,
                            int64_t max_tokens,
                            RecordingRule::Decide decide = {}) {
  return {.branch = branch,
          .head_ids = std::move(head_ids),
          .first_of = {},
          .max_tokens = max_tokens,
          .rule = std::make_unique<RecordingRule>(std::move(decide))};
}

using BranchKey = std::pair<int64_t, int64_t>;  // group, branch

class MapSink : public BranchSink {
 public:
  void finished(FinishedBranch branch) override {
    const BranchKey key{branch.group, branch.branch};
    branches.emplace(key, std::move(branch));
  }
  void stepped(int64_t count) override {
    tokens += count;
    if (on_step) on_step();
  }
  std::map<BranchKey, FinishedBranch> branches;
  int64_t tokens = 0;
  std::function<void()> on_step;
};

inline const std::vector<TokenChoice>& told(const FinishedBranch& branch) {
  return static_cast<const RecordingRule&>(*branch.rule).told;
}

inline std::map<BranchKey, FinishedBranch> run_groups(Decoder& decoder,
                                                      std::vector<BranchGroup> groups) {
  ListSource source(std::move(groups));
  MapSink sink;
  const StopFlag stop;
  decoder.run(source, sink, stop);
  return std::move(sink.branches);
}

inline bool operator==(const TokenChoice& a, const TokenChoice& b) {
  return a.id == b.id && a.is_forced == b.is_forced && a.log_probability == b.log_probability &&
         a.margin == b.margin;
}

}  // namespace thoughtrank
