// The plain forward pass, as the paper has it (Touvron et al. 2023; rotary embedding: Su et al.
// 2021), with Hugging Face's precision points: norms and the rotary table in float32, everything
// else in the weights' dtype.
#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "thoughtrank/core/error.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

namespace {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);  // (T, C)
  const at::Tensor scale = at::rsqrt(wide.pow(2).mean(/*dim=*/-1, /*keepdim=*/true) + eps);
  return weight * (wide * scale).to(x.scalar_type());
}

// The "llama3" scaling: long wavelengths are stretched by `factor`, short ones kept, those between
// are blended. Divisions of a number by a tensor are written as Python's torch computes them, so
// that the float32 table has the bits of transformers'.
at::Tensor scale_frequencies(const at::Tensor& frequencies, const RopeConfig& rope) {
  const auto original_length = static_cast<double>(rope.original_max_position_embeddings);
  const at::Tensor wavelength = frequencies.reciprocal() * (2 * std::numbers::pi);  // (D/2)
  const at::Tensor share = (wavelength.reciprocal() * original_length - rope.low_freq_factor) /
                           (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor blended = (1 - share) * frequencies / rope.factor + share * frequencies;
  const at::Tensor is_long = wavelength > original_length / rope.low_freq_factor;
  const at::Tensor is_short = wavelength < original_length / rope.high_freq_factor;
  return at::where(is_long, frequencies / rope.factor, at::where(is_short, frequencies, blended));
}

// The rows of the rotary table at each token's position in its document, (T, 1, D).
RopeTable rope_of_documents(const Llama& model, const PackedTokens& tokens, at::ScalarType dtype) {
  int64_t longest = 0;
  for (size_t n = 1; n < tokens.offsets.size(); ++n) {
    longest = std::max(longest, tokens.offsets[n] - tokens.offsets[n - 1]);
  }
  const RopeTable table = make_rope_table(model.config, longest, tokens.ids.device());
  std::vector<at::Tensor> cos, sin;
  for (size_t n = 1; n < tokens.offsets.size(); ++n) {
    const int64_t length = tokens.offsets[n] - tokens.offsets[n - 1];
    cos.push_back(table.cos.narrow(/*dim=*/0, /*start=*/0, length));
    sin.push_back(table.sin.narrow(/*dim=*/0, /*start=*/0, length));
  }
  return {at::cat(cos).unsqueeze(1).to(dtype), at::cat(sin).unsqueeze(1).to(dtype)};
}

// [1, 2, 3, 4] -> [-3, -4, 1, 2]
at::Tensor rotate_half(const at::Tensor& x) {
  const auto halves = x.chunk(/*chunks=*/2, /*dim=*/-1);
  return at::cat({-halves[1], halves[0]}, /*dim=*/-1);
}

at::Tensor rotate(const at::Tensor& x, const RopeTable& rope) {
  return x * rope.cos + rotate_half(x) * rope.sin;  // (T, heads, D)
}

// Causal attention inside one document: q (n, H, D), k and v (n, K, D) -> (n, H·D).
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t queries_per_key = q.size(1) / k.size(1);
  const auto by_head = [&](const at::Tensor& x, int64_t repeats) {  // (1, H, n, D)
    return x.repeat_interleave(repeats, /*dim=*/1).transpose(0, 1).unsqueeze(0);
  };
  const at::Tensor mixed = at::scaled_dot_product_attention(by_head(q, 1),
                                                            by_head(k, queries_per_key),
                                                            by_head(v, queries_per_key),
                                                            /*attn_mask=*/{},
                                                            /*dropout_p=*/0.0,
                                                            /*is_causal=*/true);
  return mixed.squeeze(0).transpose(0, 1).flatten(/*start_dim=*/1);
}

at::Tensor attention(const at::Tensor& x,  // (T, C)
                     const LlamaLayer& layer,
                     const LlamaConfig& config,
                     const RopeTable& rope,
                     const std::vector<int64_t>& offsets) {
  const int64_t D = config.head_dim;
  const at::Tensor q =
      rotate(at::linear(x, layer.q_proj).unflatten(-1, {-1, D}), rope);  // (T, H, D)
  const at::Tensor k =
      rotate(at::linear(x, layer.k_proj).unflatten(-1, {-1, D}), rope);     // (T, K, D)
  const at::Tensor v = at::linear(x, layer.v_proj).unflatten(-1, {-1, D});  // (T, K, D)
  std::vector<at::Tensor> documents;
  for (size_t n = 1; n < offsets.size(); ++n) {
    const auto document = [&](const at::Tensor& tensor) {
      return tensor.slice(/*dim=*/0, offsets[n - 1], offsets[n]);
    };
    documents.push_back(attend(document(q), document(k), document(v)));
  }
  return at::linear(at::cat(documents), layer.o_proj);  // (T, C)
}

at::Tensor mlp(const at::Tensor& x, const LlamaLayer& layer) {
  return at::linear(at::silu(at::linear(x, layer.gate_proj)) * at::linear(x, layer.up_proj),
                    layer.down_proj);
}

void check_packing(const PackedTokens& tokens) {
  const auto& offsets = tokens.offsets;
  bool is_valid = tokens.ids.dim() == 1 && tokens.ids.scalar_type() == at::kLong &&
                  offsets.size() >= 2 && offsets.front() == 0 &&
                  offsets.back() == tokens.ids.size(0);
  for (size_t n = 1; n < offsets.size(); ++n) is_valid = is_valid && offsets[n - 1] < offsets[n];
  if (!is_valid) {
    fail(ExitCode::kInternal,
         "packed tokens: expected ids (T) int64 and offsets rising from 0 to T, no empty document");
  }
}

}  // namespace

RopeTable make_rope_table(const LlamaConfig& config, int64_t length, at::Device device) {
  const int64_t D = config.head_dim;
  const auto options = at::TensorOptions(at::kFloat);
  at::Tensor frequencies =
      1.0 / at::pow(config.rope.theta, at::arange(0, D, 2, options) / static_cast<double>(D));
  if (config.rope.is_llama3) frequencies = scale_frequencies(frequencies, config.rope);
  const at::Tensor angles = at::outer(at::arange(length, options), frequencies);  // (length, D/2)
  const at::Tensor both_halves = at::cat({angles, angles}, /*dim=*/-1);           // (length, D)
  return {both_halves.cos().to(device), both_halves.sin().to(device)};
}

at::Tensor forward_hidden(const Llama& model, const PackedTokens& tokens) {
  check_packing(tokens);
  const double eps = model.config.rms_norm_eps;
  at::Tensor x = at::embedding(model.embed_tokens, tokens.ids);  // (T, C)
  const RopeTable rope = rope_of_documents(model, tokens, x.scalar_type());
  for (const LlamaLayer& layer : model.layers) {
    const at::Tensor h =
        x + attention(
                rms_norm(x, layer.input_layernorm, eps), layer, model.config, rope, tokens.offsets);
    x = h + mlp(rms_norm(h, layer.post_attention_layernorm, eps), layer);
  }
  return rms_norm(x, model.norm, eps);
}

at::Tensor forward_logits(const Llama& model, const PackedTokens& tokens) {
  return at::linear(forward_hidden(model, tokens), model.lm_head);
}

}  // namespace thoughtrank
