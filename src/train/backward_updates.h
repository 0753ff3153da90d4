// AdamW inside the backward pass: a weight is updated as soon as its gradient is complete, so that
// only the gradients of one layer, the embedding, the head and the last norm exist. Clipping and
// the check for finite values are each tensor's own.
#pragma once

#include "train/training_forward.h"
#include "train/weight_arena.h"

namespace thoughtrank {

// A gradient that is not finite; weights of later layers may have been updated.
class NotFiniteGradient : public std::exception {
 public:
  explicit NotFiniteGradient(double norm) : norm_(norm) {}
  [[nodiscard]] double norm() const { return norm_; }
  [[nodiscard]] const char* what() const noexcept override { return "a gradient is not finite"; }

 private:
  double norm_;
};

class BackwardUpdates : public GradientObserver {
 public:
  // `arena` has no gradients. `largest_norm` of a tensor's gradient: 0 for no clipping.
  BackwardUpdates(const Llama& model, const WeightArena& arena, double largest_norm);
  ~BackwardUpdates() override;
  BackwardUpdates(const BackwardUpdates&) = delete;
  BackwardUpdates& operator=(const BackwardUpdates&) = delete;

  // Before the forward pass of a step: its update, a key of its own for each tensor being made from
  // `update.rounding`.
  void begin_step(const AdamWUpdate& update);
  void begin(const std::vector<at::Tensor>& weights) override;
  // Throws NotFiniteGradient, nothing of this weight touched.
  void end(const std::vector<at::Tensor>& weights) override;
  // After the backward pass: an untied head. The step's global gradient norm.
  [[nodiscard]] double finish_step();

  [[nodiscard]] uint64_t gradient_bytes() const;

 private:
  void update_weight(const at::Tensor& weight);

  const Llama& model_;
  const WeightArena& arena_;
  double largest_norm_;
  AdamWUpdate update_;
  at::Tensor layer_gradients_;  // flat, of one layer
  at::Tensor whole_gradients_;  // flat: embedding, last norm, untied head
  double square_sum_ = 0;
};

}  // namespace thoughtrank
