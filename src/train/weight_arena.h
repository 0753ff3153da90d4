// One flat buffer each for weights, gradients and the two moments. The model's tensors become views
// of the weights, their gradients views of the gradients: one kernel updates all, one norm clips
// all.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/kernels/adamw.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

// Tensors begin at multiples of this many elements: so do blocks of moments that share a scale.
inline constexpr int64_t kArenaAlignment = 256;
static_assert(kArenaAlignment % kMomentBlock == 0);
// The weight's elements, rounded up to that.
[[nodiscard]] int64_t padded_elements(const at::Tensor& weight);

struct ArenaParts {
  bool has_master = false;    // bfloat16 weights are kept in float32 as well
  bool has_gradients = true;  // else the weights have no .grad
};

class WeightArena {
 public:
  // Moves the model's weights into the arena, in `weights` dtype, and makes them require gradients.
  // The old tensors are freed one by one. Moments of kByte have a scale for each block.
  WeightArena(Llama& model, at::ScalarType weights, at::ScalarType moments, ArenaParts parts = {});
  // The same for other parameters, such as adapters.
  WeightArena(NamedTensors parameters,
              at::ScalarType weights,
              at::ScalarType moments,
              ArenaParts parts = {});
  // The model keeps its weights (views of the flat buffer); no requires_grad and no gradient is
  // left.
  ~WeightArena();
  WeightArena(const WeightArena&) = delete;
  WeightArena& operator=(const WeightArena&) = delete;

  void zero_gradients();
  // Global 2-norm; not finite iff a gradient is not (or the norm overflows).
  [[nodiscard]] double gradient_norm() const;
  [[nodiscard]] const AdamWArena& buffers() const { return buffers_; }
  // What a resumable state holds, by name; the master, if any, stands for the weights.
  [[nodiscard]] NamedTensors state() const;
  // After a state was read: the weights as the master has them.
  void restore_weights();
  [[nodiscard]] uint64_t state_bytes() const;
  // A weight's first element in the buffers, and its part of them.
  [[nodiscard]] int64_t offset(const at::Tensor& weight) const;
  [[nodiscard]] AdamWArena slice(const at::Tensor& weight) const;

 private:
  NamedTensors parameters_;
  AdamWArena buffers_;
};

}  // namespace thoughtrank
