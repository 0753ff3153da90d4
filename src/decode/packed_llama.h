// A Llama for inference on the CPU: packed weights in one copy, the KV pool, and one forward pass
// that serves prompts, decoding and scoring alike. The residual stream is float32; the inputs of
// the linear layers have activation_dtype() of the weights, the KV cache the weights' type.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "thoughtrank/kernels/attention.h"
#include "thoughtrank/kernels/kv_pages.h"
#include "thoughtrank/kernels/packed_linear.h"
#include "thoughtrank/kernels/thread_pool.h"
#include "thoughtrank/kernels/vocabulary.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

// Returns the shape of the model's keys and values. Throws Error(kConfig) for a model that is not
// on the CPU.
[[nodiscard]] KvShape kv_shape(const Llama& model);

class PackedLlama {
 public:
  // Packs layer after layer and releases the plain tensors that nobody else holds. `most_rows`
  // bounds the rows of one forward pass. Error(kConfig) for a model that is not on the CPU.
  PackedLlama(Llama model, int64_t most_rows, int64_t threads);

  // Reads one token per row of the batch, whose sequences are extended by them. Gives the final
  // norm's output for the rows `wanted`, (wanted, C) in activation_dtype() of the weights.
  [[nodiscard]] at::Tensor forward(const std::vector<int64_t>& ids,
                                   const AttentionBatch& batch,
                                   const std::vector<int64_t>& wanted);

  // Reads a text into `sequence`, which may have its beginning already, but not its last token;
  // gives the last token's row, (1, C).
  // `between_chunks` is called before each chunk and may throw.
  template <class Callback>
  at::Tensor read_text(const std::vector<int64_t>& ids,
                       KvSequence& sequence,
                       const Callback& between_chunks) {
    at::Tensor last;
    const auto length = static_cast<int64_t>(ids.size());
    for (int64_t first = sequence.length(); first < length; first += most_rows_) {
      between_chunks();
      last = read_chunk(ids, first, sequence);
    }
    return last;
  }

  // (n, V) float32 of rows given by forward().
  [[nodiscard]] at::Tensor logits(const at::Tensor& hidden);
  // What greedy decoding and scoring need of these logits; see kernels/vocabulary.h.
  [[nodiscard]] std::vector<VocabularyRow> read_vocabulary(const at::Tensor& hidden,
                                                           const std::vector<int64_t>& wanted);
  [[nodiscard]] const LlamaConfig& config() const { return config_; }
  [[nodiscard]] KvPool& kv_pool() { return pool_; }
  [[nodiscard]] ThreadPool& threads() { return threads_; }
  [[nodiscard]] int64_t most_rows() const { return most_rows_; }

 private:
  struct Layer {
    at::Tensor input_norm, post_attention_norm;  // (C) float32
    PackedLinear qkv;                            // C -> (H + 2·K)·D
    PackedLinear o;                              // H·D -> C
    PackedLinear gate, up;                       // C -> F
    PackedLinear down;                           // F -> C
  };
  struct Buffers {
    at::Tensor x;          // (most_rows, C) float32, the residual stream
    at::Tensor delta;      // (most_rows, C) float32, what a block adds to it
    at::Tensor normed;     // (most_rows, C)
    at::Tensor qkv;        // (most_rows, (H + 2·K)·D) float32
    at::Tensor attended;   // (most_rows, H·D)
    at::Tensor activated;  // (most_rows, F)
  };

  Layer pack(const LlamaLayer& layer);
  void embed(const std::vector<int64_t>& ids, const at::Tensor& x) const;
  void allocate_buffers();
  [[nodiscard]] Buffers rows_of_buffers(int64_t rows) const;
  void apply_layer(int64_t index, const Buffers& b, const at::Tensor& delta);
  void extend_rope(const AttentionBatch& batch);
  [[nodiscard]] at::Tensor read_chunk(const std::vector<int64_t>& ids,
                                      int64_t first,
                                      KvSequence& sequence);

  LlamaConfig config_;
  int64_t most_rows_;
  ThreadPool threads_;
  HugePageArena weights_memory_;
  at::Tensor embed_tokens_;  // (V, C); undefined where the rows of lm_head are the embedding
  at::Tensor norm_;          // (C) float32
  KvPool pool_;
  Attention attention_;
  std::vector<Layer> layers_;
  PackedLinear lm_head_;  // C -> V
  RopeTable rope_;
  Buffers buffers_;
};

}  // namespace thoughtrank
