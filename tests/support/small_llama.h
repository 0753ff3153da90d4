// A Llama of some thousand random weights, for tests of what runs on one.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "thoughtrank/model/llama.h"

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

// The same weights at every call.
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
  llama.lm_head = c.tie_word_embeddings ? llama.embed_tokens : weight(c.vocab_size, c.hidden_size);
  return llama;
}

}  // namespace thoughtrank
