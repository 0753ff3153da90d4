#include "decode/packed_llama.h"

#include <ATen/ops/empty.h>
#include <malloc.h>

#include <algorithm>
#include <utility>

#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/row_ops.h"

namespace thoughtrank {

KvShape kv_shape(const Llama& model) {
  if (!model.embed_tokens.device().is_cpu()) {
    fail(ExitCode::kConfig,
         "decoding runs on the CPU, the model is on {}: load it on the CPU (device: cpu)",
         model.embed_tokens.device().str());
  }
  return {.layers = model.config.num_hidden_layers,
          .kv_heads = model.config.num_key_value_heads,
          .head_dim = model.config.head_dim,
          .dtype = model.embed_tokens.scalar_type()};
}

namespace {

at::Tensor wide(const at::Tensor& weight) { return weight.detach().to(at::kFloat).contiguous(); }

}  // namespace

PackedLlama::PackedLlama(Llama model, int64_t most_rows, int64_t threads)
    : config_(model.config),
      most_rows_(most_rows),
      threads_(threads),
      norm_(wide(model.norm)),
      pool_(kv_shape(model)),
      attention_({.heads = config_.num_attention_heads, .kv = pool_.shape()}, most_rows) {
  for (LlamaLayer& layer : model.layers) {
    layers_.push_back(pack(std::exchange(layer, {})));
    ::malloc_trim(/*pad=*/0);  // the allocator would keep the plain tensors' pages
  }
  lm_head_ = PackedLinear({model.lm_head}, weights_memory_);
  const bool is_tied = model.lm_head.const_data_ptr() == model.embed_tokens.const_data_ptr();
  if (!is_tied) embed_tokens_ = model.embed_tokens.detach();
  allocate_buffers();
}

PackedLlama::Layer PackedLlama::pack(const LlamaLayer& layer) {
  const auto packed = [&](const std::vector<at::Tensor>& weights) {
    return PackedLinear(weights, weights_memory_);
  };
  return {.input_norm = wide(layer.input_layernorm),
          .post_attention_norm = wide(layer.post_attention_layernorm),
          .qkv = packed({layer.q_proj, layer.k_proj, layer.v_proj}),
          .o = packed({layer.o_proj}),
          .gate = packed({layer.gate_proj}),
          .up = packed({layer.up_proj}),
          .down = packed({layer.down_proj})};
}

void PackedLlama::allocate_buffers() {
  const int64_t C = config_.hidden_size, F = config_.intermediate_size;
  const int64_t H = config_.num_attention_heads, K = config_.num_key_value_heads;
  const int64_t D = config_.head_dim;
  const at::ScalarType dtype = activation_dtype(pool_.shape().dtype);
  buffers_ = {.x = at::empty({most_rows_, C}, at::kFloat),
              .delta = at::empty({most_rows_, C}, at::kFloat),
              .normed = at::empty({most_rows_, C}, dtype),
              .qkv = at::empty({most_rows_, (H + 2 * K) * D}, at::kFloat),
              .attended = at::empty({most_rows_, H * D}, dtype),
              .activated = at::empty({most_rows_, F}, dtype)};
}

PackedLlama::Buffers PackedLlama::rows_of_buffers(int64_t rows) const {
  const auto cut = [&](const at::Tensor& buffer) { return buffer.narrow(/*dim=*/0, 0, rows); };
  return {.x = cut(buffers_.x),
          .delta = cut(buffers_.delta),
          .normed = cut(buffers_.normed),
          .qkv = cut(buffers_.qkv),
          .attended = cut(buffers_.attended),
          .activated = cut(buffers_.activated)};
}

// x += delta; x += attention(norm(x)); delta = mlp(norm(x)): the last sum is left to the next norm.
void PackedLlama::apply_layer(int64_t index, const Buffers& b, const at::Tensor& delta) {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  add_rms_norm(threads_, b.x, delta, layer.input_norm, config_.rms_norm_eps, b.normed);
  layer.qkv.apply(threads_, b.normed, b.qkv);
  attention_.apply(threads_, index, b.qkv, rope_.cos, rope_.sin, b.attended);
  layer.o.apply(threads_, b.attended, b.delta);
  add_rms_norm(threads_, b.x, b.delta, layer.post_attention_norm, config_.rms_norm_eps, b.normed);
  apply_gated(threads_, layer.gate, layer.up, b.normed, b.activated);
  layer.down.apply(threads_, b.activated, b.delta);
}

void PackedLlama::embed(const std::vector<int64_t>& ids, const at::Tensor& x) const {
  if (embed_tokens_.defined()) {
    widen_rows(embed_tokens_, ids, x);
  } else {
    lm_head_.unpack_rows(ids, x);
  }
}

at::Tensor PackedLlama::forward(const std::vector<int64_t>& ids,
                                const AttentionBatch& batch,
                                const std::vector<int64_t>& wanted) {
  const Buffers b = rows_of_buffers(batch.rows);
  embed(ids, b.x);
  extend_rope(batch);
  attention_.begin(batch);
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    apply_layer(i, b, i == 0 ? at::Tensor() : b.delta);
  }
  add_rms_norm(threads_, b.x, b.delta, norm_, config_.rms_norm_eps, b.normed);
  return copy_rows(b.normed, wanted);
}

void PackedLlama::extend_rope(const AttentionBatch& batch) {
  int64_t needed = 0;
  for (const SequenceRun& run : batch.sequences) {
    needed = std::max(needed, run.first_position + run.rows);
  }
  if (rope_.cos.defined() && rope_.cos.size(0) >= needed) return;
  rope_ = make_rope_table(config_, std::max<int64_t>(2 * needed, 256), at::kCPU);
}

at::Tensor PackedLlama::read_chunk(const std::vector<int64_t>& ids,
                                   int64_t first,
                                   KvSequence& sequence) {
  const int64_t rows = std::min(most_rows_, static_cast<int64_t>(ids.size()) - first);
  const auto begin = ids.begin() + first;
  return forward({begin, begin + rows},
                 {.rows = rows, .prefixes = {}, .sequences = {{&sequence, 0, rows, first}}},
                 {rows - 1});
}

at::Tensor PackedLlama::logits(const at::Tensor& hidden) {
  at::Tensor out = at::empty({hidden.size(0), config_.vocab_size}, at::kFloat);
  lm_head_.apply(threads_, hidden, out);
  return out;
}

std::vector<VocabularyRow> PackedLlama::read_vocabulary(const at::Tensor& hidden,
                                                        const std::vector<int64_t>& wanted) {
  return thoughtrank::read_vocabulary(threads_, lm_head_, hidden, wanted);
}

}  // namespace thoughtrank
