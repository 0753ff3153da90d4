#include "train/stepper.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/train/memory.h"
#include "train/batch.h"
#include "train/tiers.h"

namespace thoughtrank {
namespace {

// Adds the time of its life to `seconds`.
class Timer {
 public:
  Timer(const Clock& clock, double& seconds)
      : clock_(clock), seconds_(seconds), started_s_(clock.now_s()) {}
  ~Timer() { seconds_ += clock_.now_s() - started_s_; }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  const Clock& clock_;
  double& seconds_;
  double started_s_;
};

}  // namespace

bool Measured::is_finite() const { return std::isfinite(loss) && std::isfinite(grad_norm); }

Stepper::Stepper(Llama& model, const TrainSetup& setup, Loss loss)
    : model_(model),
      setup_(setup),
      loss_(std::move(loss)),
      arena_(model,
             weights_dtype(setup.options, model.embed_tokens.scalar_type()),
             moments_dtype(setup.options),
             /*has_gradients=*/!setup.options.optimizer_in_backward),
      checkpointing_(choose_checkpointing(setup.options, model)) {
  if (setup.options.optimizer_in_backward) {
    in_backward_ = std::make_unique<BackwardUpdates>(model, arena_, setup.options.clip_per_tensor);
  }
}

Measured Stepper::take(const StepPlan& step, const Update& update) {
  if (in_backward_) return take_in_backward(step, update);
  const Measured measured = measure(step);
  if (!measured.is_finite()) return measured;
  const Timer timer(setup_.clock, times_.update_s);
  const double clip = setup_.options.clip;
  const bool is_clipped = clip > 0 && measured.grad_norm > clip;
  apply_adamw(arena_.buffers(), adamw(update, is_clipped ? clip / measured.grad_norm : 1.0));
  return measured;
}

// The sum over all micro-batches; a step that is cut finer begins anew.
Measured Stepper::measure(const StepPlan& step) {
  at::Tensor loss;
  const auto begin = [&] {
    arena_.zero_gradients();
    loss = at::zeros({}, arena_.buffers().weights.options().dtype(at::kDouble));
  };
  micro_batches_.run(step.sequences, begin, [&](const Sequence& micro_batch) {
    setup_.stop.throw_if_set();
    const at::Tensor part = loss_of(micro_batch, step, /*observer=*/nullptr);
    setup_.stop.throw_if_set();
    const Timer timer(setup_.clock, times_.backward_s);
    part.backward();
    loss += part.detach();
  });
  const Timer timer(setup_.clock, times_.update_s);
  return {.loss = loss.item<double>(), .grad_norm = arena_.gradient_norm()};
}

// A step is one micro-batch and cannot be cut: what was updated would be updated again.
Measured Stepper::take_in_backward(const StepPlan& step, const Update& update) {
  setup_.stop.throw_if_set();
  in_backward_->begin_step(adamw(update, /*gradient_scale=*/1));
  Measured measured;
  must_restore_ = false;
  try {
    const at::Tensor loss = loss_of(step.sequences.front(), step, in_backward_.get());
    measured.loss = loss.item<double>();
    measured.grad_norm = std::abs(measured.loss);  // not finite where the loss is not
    if (!std::isfinite(measured.loss)) return measured;
    const Timer timer(setup_.clock, times_.backward_s);
    loss.backward();
    measured.grad_norm = in_backward_->finish_step();
  } catch (const NotFiniteGradient& error) {
    measured.grad_norm = error.norm();
    must_restore_ = true;
  } catch (const c10::OutOfMemoryError& error) {
    fail(
        ExitCode::kDevice,
        "out of memory in a step ({}): with train.optimizer_in_backward a step is one micro-batch; "
        "lower train.sequence_length and train.tokens_per_step, or set train.checkpointing: full",
        error.what_without_backtrace());
  }
  return measured;
}

at::Tensor Stepper::loss_of(const Sequence& micro_batch,
                            const StepPlan& step,
                            GradientObserver* observer) {
  const Timer timer(setup_.clock, times_.forward_s);
  const ForwardOptions options = {.checkpointing = checkpointing_, .observer = observer};
  if (loss_) return loss_(micro_batch, step, options);
  const at::Device device = arena_.buffers().weights.device();
  return batch_loss(model_, make_batch(micro_batch, 1 / step.loss_weight, device), options);
}

double Stepper::total_loss(const std::vector<Sequence>& sequences) {
  return sum_losses(model_, sequences, micro_batches_, setup_.stop);
}

AdamWUpdate Stepper::adamw(const Update& update, double gradient_scale) const {
  const TrainOptions& options = setup_.options;
  const RandomStream rounding(
      setup_.seed,
      "stochastic rounding",
      {static_cast<uint64_t>(setup_.round), static_cast<uint64_t>(update.step)});
  return {.learning_rate = update.learning_rate,
          .beta1 = options.betas.at(0),
          .beta2 = options.betas.at(1),
          .eps = options.eps,
          .weight_decay = options.weight_decay,
          .gradient_scale = gradient_scale,
          .update = update.update,
          .rounding = rounding.key()};
}

}  // namespace thoughtrank
