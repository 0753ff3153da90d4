#include "thoughtrank/train/timed_steps.h"

#include <algorithm>

#include "thoughtrank/core/error.h"
#include "thoughtrank/train/rows.h"
#include "train/stepper.h"
#include "train/tiers.h"

namespace thoughtrank {
namespace {

double take_step(Stepper& stepper, const StepPlan& step, const TrainSetup& setup, int64_t update) {
  const Measured measured = stepper.take(
      step, {.learning_rate = setup.options.learning_rate, .update = update, .step = update});
  if (!measured.fault.empty()) {
    fail(ExitCode::kTrainingHealth,
         "step {}: {} (loss {}, gradient norm {}): nothing to time",
         update,
         measured.fault,
         measured.loss,
         measured.grad_norm);
  }
  return measured.loss;
}

TrainingSize largest_micro_batch(const StepPlan& step,
                                 const TrainOptions& options,
                                 const Llama& model) {
  TrainingSize size = {.tokens = 0,
                       .loss_tokens = 0,
                       .weights = weights_dtype(options, model.embed_tokens.scalar_type()),
                       .device = model.embed_tokens.device()};
  for (const Sequence& sequence : step.sequences) {
    int64_t tokens = 0, loss_tokens = 0;
    for (const TrainingRow* row : sequence) {
      tokens += std::ssize(row->input_ids);
      loss_tokens += count_loss_tokens(*row);
    }
    if (tokens <= size.tokens) continue;
    size.tokens = tokens;
    size.loss_tokens = loss_tokens;
  }
  return size;
}

StepTimes difference(const StepTimes& later, const StepTimes& earlier) {
  return {.forward_s = later.forward_s - earlier.forward_s,
          .backward_s = later.backward_s - earlier.backward_s,
          .update_s = later.update_s - earlier.update_s};
}

}  // namespace

int64_t count_loss_tokens(const TrainingRow& row) {
  const std::vector<float> weights = token_weights(row);
  return std::count_if(weights.begin(), weights.end(), [](float weight) { return weight > 0; });
}

TrainingTimes time_training(Llama& model,
                            const std::vector<TrainingRow>& rows,
                            const TrainSetup& setup,
                            int64_t steps,
                            Progress& progress) {
  require_tier(setup.options);
  require_trainable(rows, model.config, setup.options.sequence_length);
  TrainSetup one_step = setup;
  one_step.options.tokens_per_step = int64_t{1} << 40;
  one_step.options.epochs = 1;
  const StepPlan plan = plan_steps(rows, one_step).front();
  TrainingTimes times;
  times.tokens = plan.tokens;
  times.loss_tokens = plan.loss_tokens;
  Stepper stepper(model, setup);
  StepTimes before;
  for (int64_t n = 0; n <= steps; ++n) {
    const double started_s = setup.clock.now_s();
    times.loss = take_step(stepper, plan, setup, n + 1);
    const bool is_warm_up = n == 0;
    if (is_warm_up) before = stepper.times();
    if (!is_warm_up) times.steps_s.push_back(setup.clock.now_s() - started_s);
    progress.advance(/*done=*/1, plan.tokens);
  }
  const StepTimes parts = difference(stepper.times(), before);
  const auto count = static_cast<double>(steps);
  times.forward_s = parts.forward_s / count;
  times.backward_s = parts.backward_s / count;
  times.update_s = parts.update_s / count;
  times.size = largest_micro_batch(plan, setup.options, model);
  times.size.checkpointing = stepper.checkpointing();
  times.memory = training_memory(model.config, setup.options, times.size);
  return times;
}

}  // namespace thoughtrank
