// DPO (Rafailov et al., arXiv 2305.18290) plus a likelihood term on the chosen completion (Pang et
// al., arXiv 2404.19733), over rows that come in pairs: chosen, rejected, chosen, rejected, …
//
//   mean over the step's pairs of −log σ(beta · ((log p − log p₀)(chosen) − (log p − log
//   p₀)(rejected)))
//   + nll · token mean over the step's chosen completions of −log p
//
// p₀ is the model before the first update; its log-probabilities are computed once. Logits are
// never whole: the weights of a chunked cross-entropy carry the derivative of the loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "thoughtrank/model/llama.h"
#include "train/micro_batches.h"
#include "train/step_plan.h"
#include "train/training_forward.h"

namespace thoughtrank {

// Of a step's pairs. A reward is beta · (log p − log p₀).
struct RewardMetrics {
  std::optional<double> margin;    // mean of chosen − rejected
  std::optional<double> accuracy;  // share of the pairs with a margin above 0
};

class PreferenceLoss {
 public:
  // `rows` outlives the object.
  PreferenceLoss(const std::vector<TrainingRow>& rows, const TrainSetup& setup);

  // Takes the reference log-probabilities from the work folder; where they are not there, computes
  // them with `model`, which must have the starting weights, and stores them. Micro-batches keep
  // pairs whole, here and below.
  void prepare_reference(const Llama& model,
                         MicroBatches& micro_batches,
                         const ForwardOptions& options);

  // Forgets the pairs seen: what follows are the parts of one step.
  void begin_step();
  // The part of the step's loss that `sequence` (whole pairs) has, a scalar; under autograd where
  // gradients are on, as batch_loss() but for the head's gradient, which comes with the others.
  [[nodiscard]] at::Tensor part(const Llama& model,
                                const Sequence& sequence,
                                const StepPlan& step,
                                const ForwardOptions& options = {});
  // Of the pairs seen since begin_step().
  [[nodiscard]] RewardMetrics metrics() const;

  // The loss of all pairs as one step, without gradients.
  [[nodiscard]] double mean(const Llama& model,
                            MicroBatches& micro_batches,
                            const ForwardOptions& options);

 private:
  void find_reference(const Llama& model, const Sequence& sequence, const ForwardOptions& options);
  [[nodiscard]] StepPlan plan_all() const;
  [[nodiscard]] at::Tensor reference_of(const Sequence& sequence) const;

  const std::vector<TrainingRow>& rows_;
  const TrainSetup& setup_;
  std::vector<double> reference_;    // log p₀ of each row
  std::vector<at::Tensor> margins_;  // (pairs) each
};

// Pairs as rows: chosen, rejected, … Error(kBadData) naming the prompt id for one that cannot be
// trained on, as require_trainable, or whose two completions pass `sequence_length` together.
[[nodiscard]] std::vector<TrainingRow> rows_of_pairs(const std::vector<PreferencePairRow>& pairs,
                                                     const LlamaConfig& config,
                                                     int64_t sequence_length);

}  // namespace thoughtrank
