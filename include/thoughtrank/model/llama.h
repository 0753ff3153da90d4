// Llama weights and the plain forward pass. The struct owns the tensors; trainer and decoder refer
// to them or take them over. Forward runs under autograd when the weights require gradients.
//
// Dimension letters, here and everywhere:
//   B rows, T tokens in this call, S cached tokens, H query heads, K key/value heads, D head size,
//   C width, F feed-forward width, V vocabulary, L layers.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "thoughtrank/model/config.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {

struct LlamaLayer {
  at::Tensor input_layernorm;           // (C)
  at::Tensor q_proj;                    // (H·D, C)
  at::Tensor k_proj;                    // (K·D, C)
  at::Tensor v_proj;                    // (K·D, C)
  at::Tensor o_proj;                    // (C, H·D)
  at::Tensor post_attention_layernorm;  // (C)
  at::Tensor gate_proj;                 // (F, C)
  at::Tensor up_proj;                   // (F, C)
  at::Tensor down_proj;                 // (C, F)
};

struct Llama {
  LlamaConfig config;
  at::Tensor embed_tokens;  // (V, C)
  std::vector<LlamaLayer> layers;
  at::Tensor norm;     // (C)
  at::Tensor lm_head;  // (V, C); the same tensor as embed_tokens when tied

  // Returns all weights under Hugging Face's names in Hugging Face's order
  // ("model.embed_tokens.weight", …), without a tied lm_head.
  [[nodiscard]] NamedTensors named_parameters() const;
};

// The folder's weight files, once their tensors have the names and shapes of the config's Llama;
// reads no tensor. Error(kBadData) for what is missing or left over, with the mend where names have
// a wrapper's prefix.
[[nodiscard]] SafetensorsReader open_llama_weights(const std::filesystem::path& folder);

// Loads the folder's weights in `dtype` on `device`, one copy at a time. Every weight of the config
// must be there with its shape and nothing may be left over (a tied lm_head.weight equal to the
// embedding is allowed).
[[nodiscard]] Llama load_llama(const std::filesystem::path& folder,
                               at::ScalarType dtype,
                               at::Device device);

// Returns the SHA-256 over the names and SHA-256 of the weight files: it identifies the weights of
// a folder.
[[nodiscard]] std::string weights_sha256(const std::filesystem::path& folder);

// Several documents packed one after the other; attention never crosses a boundary, positions
// restart.
struct PackedTokens {
  at::Tensor ids;                // (T) int64, on the model's device
  std::vector<int64_t> offsets;  // first token of each document, then T: {0, n0, n0 + n1, …, T}
};

// Cosine and sine of the rotary embedding, float32 (positions, D).
struct RopeTable {
  at::Tensor cos, sin;
};
// Computes the table of positions [0, length).
[[nodiscard]] RopeTable make_rope_table(const LlamaConfig& config,
                                        int64_t length,
                                        at::Device device);

// Returns the hidden states after the last norm, (T, C).
[[nodiscard]] at::Tensor forward_hidden(const Llama& model, const PackedTokens& tokens);
// Returns the logits (T, V) of forward_hidden(); float32 models give float32.
[[nodiscard]] at::Tensor forward_logits(const Llama& model, const PackedTokens& tokens);

}  // namespace thoughtrank
