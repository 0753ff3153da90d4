// A Llama for decoding in a fixed number of slots on a GPU: plain weights with q, k, v and gate, up
// side by side, one memory of KV pages, and one step for all slots that enqueues the same
// operations on the same tensors every time. On tensors of the CPU, which only tests give it, it
// runs with libtorch's forms of the operations (step_kernels.h), or with the CUDA sources through
// their emulator. The residual stream and the logits are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "decode/step_kernels.h"
#include "thoughtrank/kernels/decode_step.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

class DeviceLlama {
 public:
  // Takes the weights over, layer after layer. `pages`: of 64 tokens for all layers.
  DeviceLlama(Llama model,
              int64_t slots,
              int64_t pages,
              const StepKernels& kernels = StepKernels());

  [[nodiscard]] const LlamaConfig& config() const { return config_; }
  [[nodiscard]] at::Device device() const { return embed_tokens_.device(); }
  [[nodiscard]] int64_t slots() const { return slots_; }
  [[nodiscard]] int64_t pages() const { return kv_.pages.size(0) - 1; }
  // Slots whose query rows fill one attention tile.
  [[nodiscard]] int64_t slots_of_tile() const;

  // Final hidden states (T, C) of a text; its keys and values go to `pages`, 64 tokens each, where
  // there are any.
  [[nodiscard]] at::Tensor read_text(const std::vector<int64_t>& ids,
                                     const std::vector<int64_t>& pages);
  // (n, V) float32 of rows given by read_text().
  [[nodiscard]] at::Tensor logits_of(const at::Tensor& hidden) const;

  // The step's slots, on the device. resize() makes room for more pages a slot; the step's tensors
  // are others afterwards.
  [[nodiscard]] const SlotTable& table() const { return table_; }
  void resize_table(int64_t suffix_pages, int64_t prefix_pages);
  // Enqueues one token of every slot of table(): chooses their next ones.
  void enqueue_step();
  [[nodiscard]] const SlotChoices& choices() const { return choices_; }
  [[nodiscard]] const at::Tensor& logits() const { return buffers_.logits; }  // of the last step

 private:
  struct Layer {
    at::Tensor input_norm, post_attention_norm;  // (C)
    at::Tensor qkv;                              // ((H + 2·K)·D, C)
    at::Tensor o;                                // (C, H·D)
    at::Tensor gate_up;                          // (2·F, C)
    at::Tensor down;                             // (C, F)
  };
  // One row for each of R tokens: of the slots, or of a text.
  struct Buffers {
    at::Tensor x;          // (R, C) float32, the residual stream
    at::Tensor normed;     // (R, C)
    at::Tensor qkv;        // (R, (H + 2·K)·D)
    at::Tensor attended;   // (R, H·D)
    at::Tensor delta;      // (R, C)
    at::Tensor gate_up;    // (R, 2·F)
    at::Tensor activated;  // (R, F)
    at::Tensor logits;     // (R, V) float32; of the slots only
  };
  // Fills buffers.attended from the rows of a layer.
  using Attend = std::function<void(const LayerRows& rows)>;

  [[nodiscard]] Buffers make_buffers(int64_t rows) const;
  // From the embeddings in `b.x` to the final norm in `b.normed`.
  void apply_layers(const Buffers& b,
                    const RowPlaces& places,
                    const RopeTable& rope,
                    const Attend& attend);
  void project(const at::Tensor& hidden, const at::Tensor& logits) const;
  void extend_rope(int64_t positions);

  LlamaConfig config_;
  StepKernels kernels_;
  int64_t slots_;
  HeadShape heads_;
  at::Tensor embed_tokens_, norm_, lm_head_;  // (V, C), (C), (V, C)
  std::vector<Layer> layers_;
  DeviceKv kv_;  // the last page holds what is stored nowhere
  RopeTable rope_;
  SlotTable table_;
  RowPlaces places_;
  PrefixPart prefix_part_;
  SlotChoices choices_;
  Buffers buffers_;
};

}  // namespace thoughtrank
