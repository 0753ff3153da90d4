// A small random Llama and plain helpers to run a Decoder on it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

inline constexpr int64_t kVocabulary = 97;

inline LlamaConfig small_config() {
  LlamaConfig config;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.vocab_size = kVocabulary;
  config.max_position_embeddings = 512;
  config.rms_norm_eps = 1e-5;
  config.rope.theta = 10000;
  config.tie_word_embeddings = true;
  return config;
}

inline Llama random_llama(at::ScalarType dtype = at::kFloat,
                          const LlamaConfig& c = small_config()) {
  at::Generator generator = at::detail::createCPUGenerator(7);
  const auto weight = [&](int64_t rows, int64_t columns) {
    return (at::randn({rows, columns}, generator) / std::sqrt(double(columns))).to(dtype);
  };
  const auto norm = [&] { return (at::randn({c.hidden_size}, generator) * 0.1 + 1).to(dtype); };
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  Llama llama;
  llama.config = c;
  llama.embed_tokens = weight(c.vocab_size, c.hidden_size) * 4;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    llama.layers.push_back({.input_layernorm = norm(),
                            .q_proj = weight(q, c.hidden_size) * 2,
                            .k_proj = weight(kv, c.hidden_size) * 2,
                            .v_proj = weight(kv, c.hidden_size),
                            .o_proj = weight(c.hidden_size, q),
                            .post_attention_layernorm = norm(),
                            .gate_proj = weight(c.intermediate_size, c.hidden_size),
                            .up_proj = weight(c.intermediate_size, c.hidden_size),
                            .down_proj = weight(c.hidden_size, c.intermediate_size)});
  }
  llama.norm = norm();
  llama.lm_head = llama.embed_tokens;
  return llama;
}

// Logits after the last id, by the plain forward pass: (V).
inline at::Tensor plain_logits(const Llama& llama, const std::vector<int64_t>& ids) {
  const at::Tensor all = forward_logits(llama, {at::tensor(ids, at::kLong), {0, std::ssize(ids)}});
  return all[-1].to(at::kFloat);
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

class ListSource : public GroupSource {
 public:
  explicit ListSource(std::vector<BranchGroup> groups) : groups_(std::move(groups)) {}
  std::optional<BranchGroup> next() override {
    if (next_ == groups_.size()) return std::nullopt;
    return std::move(groups_[next_++]);
  }

 private:
  std::vector<BranchGroup> groups_;
  size_t next_ = 0;
};

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
