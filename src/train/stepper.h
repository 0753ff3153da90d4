// One optimizer step: the gradients of its rows, then AdamW. Owns the arena that the model's
// weights, or the adapters of method lora, move into. Which steps there are, what a bad one means
// and what is kept on disk is the trainer's.
#pragma once

#include <memory>
#include <string>

#include "train/backward_updates.h"
#include "train/low_rank.h"
#include "train/micro_batches.h"
#include "train/preference.h"
#include "train/training_forward.h"
#include "train/weight_arena.h"

namespace thoughtrank {

// What a step's forward and backward passes measured, before the update.
struct Measured {
  double loss = 0;       // token mean over the step
  double grad_norm = 0;  // before clipping; NaN where a step was left before its backward pass
  std::string fault;     // fault_of(): why the step is skipped; empty when it is good
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
  // `preference`: nullptr, or the loss of rows that are pairs, which outlives the object. The
  // options passed require_tier().
  Stepper(Llama& model, const TrainSetup& setup, PreferenceLoss* preference = nullptr);

  // Which update this is: 1 for the first; `step` numbers the stochastic rounding's stream.
  struct Update {
    double learning_rate = 0;
    int64_t update = 1;
    int64_t step = 0;
  };
  // Accumulates the gradients of the step's loss; updates the weights, with the gradients clipped,
  // unless fault_of() finds a fault beside the steps `before`. With optimizer_in_backward only the
  // loss is known before the first update: a gradient that is not finite is found tensor by tensor,
  // when weights may have been updated, so that must_restore() is true; spikes of the norm pass.
  [[nodiscard]] Measured take(const StepPlan& step,
                              const Update& update,
                              const std::vector<MetricsRow>& before = {});
  [[nodiscard]] bool must_restore() const { return must_restore_; }

  // With a preference, before the first update: its reference.
  void prepare_reference();
  // Mean loss over all rows (with a preference: its pairs), without gradients. Method lora: the
  // model has the adapters merged afterwards, without a graph.
  [[nodiscard]] double mean_loss(const std::vector<TrainingRow>& rows);

  [[nodiscard]] WeightArena& arena() { return arena_; }
  // Method lora: A and B under PEFT's names.
  [[nodiscard]] NamedTensors adapter() const;
  [[nodiscard]] MicroBatches& micro_batches() { return micro_batches_; }
  [[nodiscard]] Checkpointing checkpointing() const { return checkpointing_; }
  [[nodiscard]] const StepTimes& times() const { return times_; }

 private:
  [[nodiscard]] WeightArena make_arena() const;
  [[nodiscard]] Measured measure(const StepPlan& step);
  [[nodiscard]] Measured take_in_backward(const StepPlan& step,
                                          const Update& update,
                                          const std::vector<MetricsRow>& before);
  [[nodiscard]] ForwardOptions forward_options() const;
  [[nodiscard]] at::Tensor loss_of(const Sequence& micro_batch,
                                   const StepPlan& step,
                                   GradientObserver* observer);
  [[nodiscard]] AdamWUpdate adamw(const Update& update, double gradient_scale) const;

  Llama& model_;
  const TrainSetup& setup_;
  PreferenceLoss* preference_;
  std::unique_ptr<LowRankAdapters> adapters_;  // method lora
  WeightArena arena_;
  MicroBatches micro_batches_;
  Checkpointing checkpointing_;
  std::unique_ptr<BackwardUpdates> in_backward_;  // with optimizer_in_backward
  bool must_restore_ = false;
  StepTimes times_;
};

}  // namespace thoughtrank
