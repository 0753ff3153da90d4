#include "train/stepper.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <limits>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/train/memory.h"
#include "train/batch.h"
#include "train/spike.h"
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

Stepper::Stepper(Llama& model, const TrainSetup& setup, PreferenceLoss* preference)
    : model_(model),
      setup_(setup),
      preference_(preference),
      adapters_(setup.options.method == TrainMethod::lora
                    ? std::make_unique<LowRankAdapters>(model, setup.options.lora, setup.seed)
                    : nullptr),
      arena_(make_arena()),
      micro_batches_(/*rows_per_unit=*/preference != nullptr ? 2 : 1),
      checkpointing_(choose_checkpointing(setup.options, model)) {
  if (setup.options.optimizer_in_backward) {
    in_backward_ = std::make_unique<BackwardUpdates>(model, arena_, setup.options.clip_per_tensor);
  }
}

WeightArena Stepper::make_arena() const {
  const TrainOptions& options = setup_.options;
  const at::ScalarType moments = moments_dtype(options);
  if (adapters_) return {adapters_->parameters(), at::kFloat, moments};
  return {
      model_,
      weights_dtype(options, model_.embed_tokens.scalar_type()),
      moments,
      {.has_master = has_float32_master(options), .has_gradients = !options.optimizer_in_backward}};
}

Measured Stepper::take(const StepPlan& step,
                       const Update& update,
                       const std::vector<MetricsRow>& before) {
  if (in_backward_) return take_in_backward(step, update, before);
  Measured measured = measure(step);
  measured.fault = fault_of(measured.loss, measured.grad_norm, before, setup_.options.spike_sigmas);
  if (!measured.fault.empty()) return measured;
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
    if (preference_ != nullptr) preference_->begin_step();
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
  return {.loss = loss.item<double>(), .grad_norm = arena_.gradient_norm(), .fault = ""};
}

// A step is one micro-batch and cannot be cut: what was updated would be updated again.
Measured Stepper::take_in_backward(const StepPlan& step,
                                   const Update& update,
                                   const std::vector<MetricsRow>& before) {
  setup_.stop.throw_if_set();
  in_backward_->begin_step(adamw(update, /*gradient_scale=*/1));
  Measured measured = {.grad_norm = std::numeric_limits<double>::quiet_NaN(), .fault = ""};
  must_restore_ = false;
  const auto judge = [&](double grad_norm, double sigmas) {
    measured.fault = fault_of(measured.loss, grad_norm, before, sigmas);
    return measured.fault.empty();
  };
  try {
    const at::Tensor loss = loss_of(step.sequences.front(), step, in_backward_.get());
    measured.loss = loss.item<double>();
    if (!judge(/*grad_norm=*/0, setup_.options.spike_sigmas)) return measured;
    const Timer timer(setup_.clock, times_.backward_s);
    loss.backward();
    measured.grad_norm = in_backward_->finish_step();
  } catch (const NotFiniteGradient& error) {
    measured.grad_norm = error.norm();
    must_restore_ = !judge(measured.grad_norm, /*sigmas=*/0);
  } catch (const c10::OutOfMemoryError& error) {
    fail(
        ExitCode::kDevice,
        "out of memory in a step ({}): with train.optimizer_in_backward a step is one micro-batch; "
        "lower train.sequence_length and train.tokens_per_step, or set train.checkpointing: full",
        error.what_without_backtrace());
  }
  return measured;
}

ForwardOptions Stepper::forward_options() const {
  return {.checkpointing = checkpointing_, .is_plain = adapters_ != nullptr};
}

at::Tensor Stepper::loss_of(const Sequence& micro_batch,
                            const StepPlan& step,
                            GradientObserver* observer) {
  const Timer timer(setup_.clock, times_.forward_s);
  if (adapters_) adapters_->merge();
  ForwardOptions options = forward_options();
  options.observer = observer;
  if (preference_ != nullptr) return preference_->part(model_, micro_batch, step, options);
  const at::Device device = arena_.buffers().weights.device();
  return batch_loss(model_, make_batch(micro_batch, 1 / step.loss_weight, device), options);
}

void Stepper::prepare_reference() {
  if (preference_ == nullptr) return;
  preference_->prepare_reference(model_, micro_batches_, forward_options());
}

double Stepper::mean_loss(const std::vector<TrainingRow>& rows) {
  const at::NoGradGuard no_grad;
  if (adapters_) adapters_->merge();
  if (preference_ != nullptr) return preference_->mean(model_, micro_batches_, forward_options());
  return mean_loss_of(model_,
                      rows,
                      {.sequence_length = setup_.options.sequence_length,
                       .micro_batches = micro_batches_,
                       .stop = setup_.stop,
                       .forward = forward_options()});
}

NamedTensors Stepper::adapter() const {
  return adapters_ ? adapters_->parameters() : NamedTensors();
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
