// One optimizer step: the gradients of its rows, then AdamW. Owns the arena that the model's
// weights move into. Which steps there are, what a bad one means and what is kept on disk is the
// trainer's.
#pragma once

#include <functional>
#include <memory>

#include "train/backward_updates.h"
#include "train/micro_batches.h"
#include "train/training_forward.h"
#include "train/weight_arena.h"

namespace thoughtrank {

// What a step's forward and backward passes measured, before the update.
struct Measured {
  double loss = 0;       // token mean over the step
  double grad_norm = 0;  // before clipping
  [[nodiscard]] bool is_finite() const;
};

// Seconds spent since the beginning, in the parts of a step. On CUDA the work is enqueued ahead and
// the parts mean little; their sum is right.
struct StepTimes {
  double forward_s = 0;
  double backward_s = 0;
  double update_s = 0;
};

class Stepper {
 public:
  // A micro-batch's share of its step's loss, under autograd.
  using Loss = std::function<at::Tensor(const Sequence&, const StepPlan&, const ForwardOptions&)>;

  // `loss`: the token mean over the step where it is empty. The options passed require_tier().
  Stepper(Llama& model, const TrainSetup& setup, Loss loss = {});

  // Which update this is: 1 for the first; `step` numbers the stochastic rounding's stream.
  struct Update {
    double learning_rate = 0;
    int64_t update = 1;
    int64_t step = 0;
  };
  // Accumulates the gradients of the step's loss; updates the weights, with the gradients clipped,
  // where loss and gradients are finite. With optimizer_in_backward weights may have been updated
  // before a gradient was found that is not: Measured::is_finite() is false and
  // must_restore() true.
  [[nodiscard]] Measured take(const StepPlan& step, const Update& update);
  [[nodiscard]] bool must_restore() const { return must_restore_; }

  // Σ weight · cross-entropy over the sequences' loss tokens, without gradients.
  [[nodiscard]] double total_loss(const std::vector<Sequence>& sequences);

  [[nodiscard]] const WeightArena& arena() const { return arena_; }
  [[nodiscard]] MicroBatches& micro_batches() { return micro_batches_; }
  [[nodiscard]] Checkpointing checkpointing() const { return checkpointing_; }
  [[nodiscard]] const StepTimes& times() const { return times_; }

 private:
  [[nodiscard]] Measured measure(const StepPlan& step);
  [[nodiscard]] Measured take_in_backward(const StepPlan& step, const Update& update);
  [[nodiscard]] at::Tensor loss_of(const Sequence& micro_batch,
                                   const StepPlan& step,
                                   GradientObserver* observer);
  [[nodiscard]] AdamWUpdate adamw(const Update& update, double gradient_scale) const;

  Llama& model_;
  const TrainSetup& setup_;
  Loss loss_;
  WeightArena arena_;
  MicroBatches micro_batches_;
  Checkpointing checkpointing_;
  std::unique_ptr<BackwardUpdates> in_backward_;  // with optimizer_in_backward
  bool must_restore_ = false;
  StepTimes times_;
};

}  // namespace thoughtrank
