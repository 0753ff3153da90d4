#include "thoughtrank/train/memory.h"

#include <algorithm>

#include "thoughtrank/kernels/cross_entropy.h"
#include "thoughtrank/kernels/linear.h"
#include "thoughtrank/kernels/training_ops.h"
#include "thoughtrank/model/sizes.h"
#include "train/tiers.h"

namespace thoughtrank {
namespace {

// Elements that a token has in a layer.
struct Widths {
  int64_t C, F, queries, qkv, heads;
};

Widths widths_of(const LlamaConfig& model) {
  const int64_t D = model.head_dim, H = model.num_attention_heads, K = model.num_key_value_heads;
  return {.C = model.hidden_size,
          .F = model.intermediate_size,
          .queries = H * D,
          .qkv = (H + 2 * K) * D,
          .heads = H};
}

// Bytes of a token in a layer: activations of `a` bytes, scales and log-sum-exps of float32.
int64_t kept_bytes(const Widths& w, Checkpointing checkpointing, int64_t a) {
  if (checkpointing == Checkpointing::full) return w.C * a;
  const int64_t kept = 2 * w.C + w.qkv + w.queries;
  const int64_t gate_up = checkpointing == Checkpointing::none ? 2 * w.F : 0;
  return (kept + gate_up) * a + (2 + w.heads) * int64_t{4};
}

uint64_t bytes(int64_t count) { return static_cast<uint64_t>(count); }

// A and B on all linear layers.
int64_t adapter_count(const LlamaConfig& model, const LoraOptions& lora) {
  const Widths w = widths_of(model);
  return model.num_hidden_layers * lora.rank * (7 * w.C + w.qkv + w.queries + 3 * w.F);
}

// What stands from the first step to the last; the rest is 0.
TrainingMemory standing_memory(const LlamaConfig& model,
                               const TrainOptions& options,
                               at::ScalarType weights) {
  const ParameterCounts counts = parameter_counts(model);
  const auto stored = static_cast<int64_t>(at::elementSize(weights));
  if (options.method == TrainMethod::lora) {
    const int64_t adapters = adapter_count(model, options.lora);
    return {.weights = bytes(2 * counts.all * stored + adapters * 4),
            .gradients = bytes(adapters * 4),
            .moments = bytes(moment_bytes(options, at::kFloat, adapters))};
  }
  const int64_t held = options.optimizer_in_backward
                           ? counts.layer + counts.heads * counts.vocabulary + model.hidden_size
                           : counts.all;
  const int64_t of_pairs =
      options.objective == Objective::dpo_nll ? counts.vocabulary * 4 : 0;  // the head's own
  return {.weights = bytes(counts.all * stored),
          .gradients = bytes(held * stored + of_pairs),
          .moments = bytes(moment_bytes(options, weights, counts.all))};
}

}  // namespace

uint64_t TrainingMemory::standing() const { return weights + gradients + moments; }

uint64_t TrainingMemory::total() const {
  return standing() + activations + std::max(loss_chunk, layer_work);
}

Checkpointing fitting_checkpointing(const LlamaConfig& model,
                                    const TrainOptions& options,
                                    TrainingSize size,
                                    uint64_t left_bytes) {
  if (options.checkpointing) return *options.checkpointing;
  for (const auto checkpointing : {Checkpointing::none, Checkpointing::selective}) {
    size.checkpointing = checkpointing;
    const TrainingMemory memory = training_memory(model, options, size);
    const uint64_t needed = memory.activations + std::max(memory.loss_chunk, memory.layer_work);
    if (needed <= left_bytes / 5 * 4) return checkpointing;
  }
  return Checkpointing::full;
}

OptimizerState fitting_optimizer_state(const LlamaConfig& model,
                                       const TrainOptions& options,
                                       const TrainingSize& size,
                                       uint64_t available_bytes) {
  if (options.optimizer_state) return *options.optimizer_state;
  if (available_bytes == 0) return OptimizerState::float32;
  TrainOptions tried = options;
  for (const auto& [state, word] : kOptimizerStates) {
    tried.optimizer_state = state;
    if (training_memory(model, tried, size).standing() <= available_bytes / 4 * 3) return state;
  }
  return OptimizerState::int8;
}

TrainingMemory training_memory(const LlamaConfig& model,
                               const TrainOptions& options,
                               const TrainingSize& size) {
  const Widths w = widths_of(model);
  const int64_t head = parameter_counts(model).vocabulary;
  const int64_t largest = std::max(w.qkv, 2 * w.F) * w.C;  // matrix that multiplies as one
  const at::ScalarType activation = training_dtype(size.weights, size.device);
  const auto a = static_cast<int64_t>(at::elementSize(activation));
  const int64_t kept = kept_bytes(w, size.checkpointing, a);
  const int64_t again = kept_bytes(w, Checkpointing::none, a) - kept;  // made by the layer at work

  const int64_t chunk = loss_chunk_rows(size.loss_tokens, default_chunk_rows(model.vocab_size));
  const bool widens = activation != size.weights;
  const int64_t head_block = widens ? std::min(kLinearBlock, head) * a : 0;
  const int64_t layer_block = widens ? std::min(kLinearBlock, largest) * a : 0;
  const int64_t last = model.num_hidden_layers * size.tokens * kept;
  const int64_t rope = 2 * size.tokens * model.head_dim * int64_t{4};
  TrainingMemory memory = standing_memory(model, options, size.weights);
  memory.activations = bytes(last + rope);
  // x and the hidden states after the last layer; loss rows and their gradients; logits
  memory.loss_chunk = bytes((2 * size.tokens + 2 * size.loss_tokens + chunk) * w.C * a +
                            chunk * model.vocab_size * a + head_block);
  // ∂/∂y, the gated activation and its gradient; normed inputs while a layer is run again
  memory.layer_work = bytes(size.tokens * (again + (w.C + 2 * w.F) * a) + layer_block);
  return memory;
}

}  // namespace thoughtrank
