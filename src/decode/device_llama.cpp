#include "decode/device_llama.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {

DeviceLlama::DeviceLlama(Llama model, int64_t slots, int64_t pages, const StepKernels& kernels)
    : config_(model.config),
      kernels_(kernels),
      slots_(slots),
      heads_{.heads = config_.num_attention_heads,
             .kv_heads = config_.num_key_value_heads,
             .head_dim = config_.head_dim},
      embed_tokens_(model.embed_tokens.detach()),
      norm_(model.norm.detach()),
      lm_head_(model.lm_head.detach()) {
  for (LlamaLayer& plain : model.layers) {
    const LlamaLayer layer = std::exchange(plain, {});
    layers_.push_back({.input_norm = layer.input_layernorm.detach(),
                       .post_attention_norm = layer.post_attention_layernorm.detach(),
                       .qkv = at::cat({layer.q_proj, layer.k_proj, layer.v_proj}).detach(),
                       .o = layer.o_proj.detach(),
                       .gate_up = at::cat({layer.gate_proj, layer.up_proj}).detach(),
                       .down = layer.down_proj.detach()});
  }
  const auto options = embed_tokens_.options();
  kv_.pages = at::empty(
      {pages + 1, config_.num_hidden_layers, heads_.kv_heads, 2, kPageTokens, heads_.head_dim},
      options);
  const auto numbers = options.dtype(at::kInt), floats = options.dtype(at::kFloat);
  places_ = {.position = at::zeros({slots}, numbers),
             .page = at::zeros({slots}, numbers),
             .place = at::zeros({slots}, numbers)};
  prefix_part_ = {.sums = at::empty({slots, heads_.heads, heads_.head_dim}, floats),
                  .states = at::empty({slots, heads_.heads, 2}, floats)};
  choices_ = {.chosen = at::zeros({slots}, numbers), .scores = at::zeros({slots, 3}, floats)};
  buffers_ = make_buffers(slots);
  buffers_.logits = at::empty({slots, config_.vocab_size}, floats);
  resize_table(/*suffix_pages=*/8, /*prefix_pages=*/16);
}

int64_t DeviceLlama::slots_of_tile() const {
  return std::max<int64_t>(1, kTileRows / (heads_.heads / heads_.kv_heads));
}

void DeviceLlama::resize_table(int64_t suffix_pages, int64_t prefix_pages) {
  table_ = make_slot_table({.slots = slots_,
                            .suffix_pages = suffix_pages,
                            .prefix_pages = prefix_pages,
                            .slots_of_tile = slots_of_tile()},
                           device());
  extend_rope((suffix_pages + prefix_pages) * kPageTokens);
}

void DeviceLlama::extend_rope(int64_t positions) {
  if (rope_.cos.defined() && rope_.cos.size(0) >= positions) return;
  rope_ = make_rope_table(config_, positions, device());
}

DeviceLlama::Buffers DeviceLlama::make_buffers(int64_t rows) const {
  const auto options = embed_tokens_.options();
  const int64_t C = config_.hidden_size, F = config_.intermediate_size;
  const int64_t H = heads_.heads, K = heads_.kv_heads, D = heads_.head_dim;
  return {.x = at::empty({rows, C}, options.dtype(at::kFloat)),
          .normed = at::empty({rows, C}, options),
          .qkv = at::empty({rows, (H + 2 * K) * D}, options),
          .attended = at::empty({rows, H * D}, options),
          .delta = at::empty({rows, C}, options),
          .gate_up = at::empty({rows, 2 * F}, options),
          .activated = at::empty({rows, F}, options),
          .logits = {}};
}

// x += delta; x += attention(norm(x)); delta = mlp(norm(x)): the last sum is left to the next norm.
void DeviceLlama::apply_layers(const Buffers& b,
                               const RowPlaces& places,
                               const RopeTable& rope,
                               const Attend& attend) {
  const double eps = config_.rms_norm_eps;
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    at::Tensor qkv = b.qkv, delta = b.delta, gate_up = b.gate_up;
    kernels_.add_rms_norm(b.x, i == 0 ? at::Tensor() : b.delta, layer.input_norm, eps, b.normed);
    at::mm_out(qkv, b.normed, layer.qkv.t());
    const LayerRows rows = {.qkv = b.qkv, .shape = heads_, .kv = kv_, .layer = i};
    kernels_.rotate_and_store(rows, places, rope.cos, rope.sin);
    attend(rows);
    at::mm_out(delta, b.attended, layer.o.t());
    kernels_.add_rms_norm(b.x, b.delta, layer.post_attention_norm, eps, b.normed);
    at::mm_out(gate_up, b.normed, layer.gate_up.t());
    kernels_.silu_mul(b.gate_up, b.activated);
    at::mm_out(delta, b.activated, layer.down.t());
  }
  kernels_.add_rms_norm(b.x, b.delta, norm_, eps, b.normed);
}

// cuBLAS writes float32 sums of bfloat16 products as they are; on the CPU both are widened.
void DeviceLlama::project(const at::Tensor& hidden, const at::Tensor& logits) const {
  at::Tensor out = logits;
  if (hidden.scalar_type() == at::kFloat) {
    at::mm_out(out, hidden, lm_head_.t());
  } else if (hidden.is_cuda()) {
    at::mm_out(out, hidden, lm_head_.t(), at::kFloat);
  } else {
    at::mm_out(out, hidden.to(at::kFloat), lm_head_.to(at::kFloat).t());
  }
}

void DeviceLlama::enqueue_step() {
  const Buffers& b = buffers_;
  embed_slots(table_, choices_.chosen, embed_tokens_, b.x);
  find_places(table_, places_);
  apply_layers(b, places_, rope_, [&](const LayerRows& rows) {
    kernels_.attend(rows, table_, prefix_part_, b.attended);
  });
  project(b.normed, b.logits);
  kernels_.choose(b.logits, choices_);
}

namespace {

// Where the tokens of a text go; nowhere without pages.
RowPlaces places_of(int64_t tokens, const std::vector<int64_t>& pages, at::Device device) {
  std::vector<int32_t> position, page, place;
  for (int64_t t = 0; t < tokens; ++t) {
    position.push_back(static_cast<int32_t>(t));
    place.push_back(static_cast<int32_t>(t % kPageTokens));
    const auto number = static_cast<size_t>(t / kPageTokens);
    page.push_back(pages.empty() ? -1 : static_cast<int32_t>(pages.at(number)));
  }
  const auto tensor = [&](const std::vector<int32_t>& v) {
    return at::tensor(v, at::kInt).to(device);
  };
  return {.position = tensor(position), .page = tensor(page), .place = tensor(place)};
}

}  // namespace

at::Tensor DeviceLlama::read_text(const std::vector<int64_t>& ids,
                                  const std::vector<int64_t>& pages) {
  const int64_t T = std::ssize(ids), H = heads_.heads, K = heads_.kv_heads, D = heads_.head_dim;
  const Buffers b = make_buffers(T);
  b.x.copy_(at::index_select(embed_tokens_, 0, at::tensor(ids, at::kLong).to(device())));
  const RopeTable rope = make_rope_table(config_, T, device());
  apply_layers(b, places_of(T, pages, device()), rope, [&](const LayerRows&) {
    const auto heads = [&](int64_t first, int64_t count) {  // (1, count, T, D)
      return b.qkv.view({1, T, H + 2 * K, D}).narrow(2, first, count).transpose(1, 2);
    };
    const at::Tensor out = at::scaled_dot_product_attention(heads(0, H),
                                                            heads(H, K),
                                                            heads(H + K, K),
                                                            /*attn_mask=*/{},
                                                            /*dropout_p=*/0.0,
                                                            /*is_causal=*/true,
                                                            /*scale=*/std::nullopt,
                                                            /*enable_gqa=*/true);
    b.attended.view({T, H, D}).copy_(out.squeeze(0).transpose(0, 1));
  });
  return b.normed;
}

at::Tensor DeviceLlama::logits_of(const at::Tensor& hidden) const {
  at::Tensor out =
      at::empty({hidden.size(0), config_.vocab_size}, hidden.options().dtype(at::kFloat));
  project(hidden, out);
  return out;
}

}  // namespace thoughtrank
