#include "thoughtrank/train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <memory>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/random.h"
#include "train/batch.h"
#include "train/low_rank.h"
#include "train/preference.h"
#include "train/schedule.h"
#include "train/spike.h"
#include "train/state.h"
#include "train/step_plan.h"
#include "train/weight_arena.h"

namespace thoughtrank {
namespace {

// Skipped steps in a row that end the training.
constexpr int64_t kMostBadSteps = 3;

at::ScalarType dtype_of(const std::string& choice, at::ScalarType automatic) {
  if (choice == "float32") return at::kFloat;
  if (choice == "bfloat16") return at::kBFloat16;
  return automatic;
}

// What one step's forward and backward passes measured, before the update.
struct Measured {
  double loss = 0;       // token mean over the step
  double grad_norm = 0;  // before clipping
};

double measure_loss(const Llama& model,
                    const std::vector<TrainingRow>& rows,
                    int64_t sequence_length,
                    const StopFlag& stop) {
  const at::NoGradGuard no_grad;
  std::vector<const TrainingRow*> all;
  double weight = 0;
  for (const TrainingRow& row : rows) {
    all.push_back(&row);
    const std::vector<float> weights = token_weights(row);
    for (size_t i = 1; i < weights.size(); ++i) weight += static_cast<double>(weights[i]);
  }
  double loss = 0;
  for (const Sequence& sequence : pack_rows(all, sequence_length)) {
    stop.throw_if_set();
    const Batch batch = make_batch(sequence, /*weight_scale=*/1, model.embed_tokens.device());
    loss += batch_loss(model, batch).item<double>();
  }
  return loss / weight;
}

// JSON has no NaN and no infinity; the sign of a NaN is chance.
std::string number_text(double value) {
  return std::isnan(value) ? "nan" : fmt::format("{}", value);
}

class Training {
 public:
  // `preference`: nullptr, or the loss of rows that are pairs.
  Training(Llama& model,
           const std::vector<TrainingRow>& rows,
           const TrainSetup& setup,
           PreferenceLoss* preference = nullptr)
      : model_(model),
        rows_(rows),
        setup_(setup),
        preference_(preference),
        plan_(plan_steps(rows, setup, /*rows_per_unit=*/preference != nullptr ? 2 : 1)),
        adapters_(setup.options.method == "lora"
                      ? std::make_unique<LowRankAdapters>(model, setup.options.lora, setup.seed)
                      : nullptr),
        arena_(make_arena()) {}

  TrainResult run(Progress& progress) {
    begin(progress);
    while (state_.steps_done < static_cast<int64_t>(plan_.size())) {
      const StepPlan& step = plan_[static_cast<size_t>(state_.steps_done)];
      take_step(step);
      progress.advance(/*done=*/1, step.tokens);
      const bool is_last = state_.steps_done == static_cast<int64_t>(plan_.size());
      if (!is_last && state_.steps_done % setup_.options.state_every == 0) {
        publish_state(setup_.work_folder, setup_.identity, state_, arena_);
      }
    }
    return result();
  }

 private:
  [[nodiscard]] WeightArena make_arena() const {
    const std::string& tier = setup_.options.optimizer_state;
    const at::ScalarType moments =
        tier == "int8" ? at::kByte : (tier == "bfloat16" ? at::kBFloat16 : at::kFloat);
    if (adapters_) return {adapters_->parameters(), at::kFloat, moments};
    const at::ScalarType weights =
        dtype_of(setup_.options.dtype, model_.embed_tokens.scalar_type());
    return {model_, weights, moments, /*has_master=*/tier == "float32_master"};
  }

  // Resumes from the newest state, or measures the loss before the first step.
  void begin(Progress& progress) {
    fs::create_directories(setup_.work_folder);
    remove_leftovers(setup_.work_folder);
    if (preference_ != nullptr) preference_->prepare_reference(model_);
    if (!restore_state(setup_.work_folder, setup_.identity, state_, arena_)) {
      state_.loss_before = measure_all();
    }
    progress.set_total(static_cast<int64_t>(plan_.size()));
    progress.advance(state_.steps_done, /*work=*/0);
    write_quarantine();
  }

  void take_step(const StepPlan& step) {
    const Measured measured = measure(step);
    const double rate =
        learning_rate_at(setup_.options, state_.steps_done, static_cast<int64_t>(plan_.size()));
    const std::string fault =
        fault_of(measured.loss, measured.grad_norm, state_.metrics, setup_.options.spike_sigmas);
    if (fault.empty()) {
      update_weights(measured.grad_norm, rate);
    } else {
      quarantine(step, measured, fault);
    }
    ++state_.steps_done;
    RewardMetrics rewards;
    if (preference_ != nullptr) rewards = preference_->take_metrics();
    state_.metrics.push_back({.round = setup_.round,
                              .step = state_.steps_done,
                              .epoch = step.epoch,
                              .loss = measured.loss,
                              .grad_norm = measured.grad_norm,
                              .learning_rate = rate,
                              .loss_tokens = step.loss_tokens,
                              .tokens = step.tokens,
                              .skipped = !fault.empty(),
                              .reward_margin = rewards.margin,
                              .reward_accuracy = rewards.accuracy});
    if (state_.bad_in_a_row == kMostBadSteps) give_up(fault);
  }

  // Accumulates the gradients of the step's token-mean loss.
  Measured measure(const StepPlan& step) {
    arena_.zero_gradients();
    at::Tensor loss = at::zeros({}, arena_.buffers().weights.options().dtype(at::kDouble));
    for (const Sequence& sequence : step.sequences) {
      setup_.stop.throw_if_set();
      const at::Tensor part = loss_of(sequence, step);
      setup_.stop.throw_if_set();
      part.backward();
      loss += part.detach();
    }
    return {.loss = loss.item<double>(), .grad_norm = arena_.gradient_norm()};
  }

  // The share of the step's loss that a sequence has.
  at::Tensor loss_of(const Sequence& sequence, const StepPlan& step) {
    if (adapters_) adapters_->merge();
    if (preference_ != nullptr) return preference_->part(model_, sequence, step);
    const at::Device device = model_.embed_tokens.device();
    return batch_loss(model_, make_batch(sequence, 1 / step.loss_weight, device));
  }

  void update_weights(double grad_norm, double learning_rate) {
    const TrainOptions& options = setup_.options;
    const bool is_clipped = options.clip > 0 && grad_norm > options.clip;
    ++state_.updates;
    const RandomStream rounding(
        setup_.seed,
        "stochastic rounding",
        {static_cast<uint64_t>(setup_.round), static_cast<uint64_t>(state_.steps_done)});
    apply_adamw(arena_.buffers(),
                {.learning_rate = learning_rate,
                 .beta1 = options.betas.at(0),
                 .beta2 = options.betas.at(1),
                 .eps = options.eps,
                 .weight_decay = options.weight_decay,
                 .gradient_scale = is_clipped ? options.clip / grad_norm : 1.0,
                 .update = state_.updates,
                 .rounding = rounding.key()});
    state_.bad_in_a_row = 0;
  }

  // Leaves the weights alone and notes the rows of a bad step.
  void quarantine(const StepPlan& step, const Measured& measured, const std::string& fault) {
    ++state_.bad_in_a_row;
    Json ids = Json::array();
    for (const Sequence& sequence : step.sequences) {
      for (const TrainingRow* row : sequence) ids.push_back(row->prompt_id);
    }
    log_warning("train: step {} is skipped: {}; loss {}, gradient norm {}, prompts {}",
                state_.steps_done + 1,
                fault,
                measured.loss,
                measured.grad_norm,
                dump_json(ids));
    state_.quarantine.push_back({{"round", setup_.round},
                                 {"step", state_.steps_done + 1},
                                 {"reason", fault},
                                 {"loss", number_text(measured.loss)},
                                 {"grad_norm", number_text(measured.grad_norm)},
                                 {"prompt_ids", ids}});
    write_quarantine();
  }

  // The whole file each time, so that a resumed run leaves the same one.
  void write_quarantine() const {
    std::string lines;
    for (const Json& row : state_.quarantine) lines += dump_json(row) + "\n";
    const fs::path file = setup_.work_folder / "quarantine.jsonl";
    if (!lines.empty() || fs::exists(file)) publish_file(file, lines);
  }

  [[noreturn]] void give_up(const std::string& fault) const {
    fail(ExitCode::kTrainingHealth,
         "training stopped at step {}: {} bad steps in a row; of the last one, {}. Their prompts "
         "are in {}; look at those rows, or lower train.learning_rate",
         state_.steps_done,
         kMostBadSteps,
         fault,
         (setup_.work_folder / "quarantine.jsonl").string());
  }

  [[nodiscard]] double measure_all() const {
    if (adapters_) {
      const at::NoGradGuard no_grad;
      adapters_->merge();
    }
    if (preference_ != nullptr) return preference_->mean(model_);
    return measure_loss(model_, rows_, setup_.options.sequence_length, setup_.stop);
  }

  [[nodiscard]] TrainResult result() const {
    const size_t rows = preference_ != nullptr ? rows_.size() / 2 : rows_.size();
    TrainResult result = {.rows = static_cast<int64_t>(rows),
                          .steps = state_.steps_done,
                          .loss_before = state_.loss_before,
                          .loss_after = measure_all(),
                          .metrics = state_.metrics,
                          .adapter = adapters_ ? adapters_->parameters() : NamedTensors()};
    for (const StepPlan& step : plan_) result.tokens += step.tokens;
    return result;
  }

  Llama& model_;
  const std::vector<TrainingRow>& rows_;
  const TrainSetup& setup_;
  PreferenceLoss* preference_;
  std::vector<StepPlan> plan_;
  std::unique_ptr<LowRankAdapters> adapters_;  // method lora
  WeightArena arena_;
  TrainingState state_;
};

}  // namespace

TrainResult train(Llama& model,
                  const std::vector<TrainingRow>& rows,
                  const TrainSetup& setup,
                  Progress& progress) {
  require_trainable(rows, model.config, setup.options.sequence_length);
  return Training(model, rows, setup).run(progress);
}

TrainResult train_on_pairs(Llama& model,
                           const std::vector<PreferencePairRow>& pairs,
                           const TrainSetup& setup,
                           Progress& progress) {
  const auto rows = rows_of_pairs(pairs, model.config, setup.options.sequence_length);
  PreferenceLoss preference(rows, setup);
  return Training(model, rows, setup, &preference).run(progress);
}

double mean_loss(const Llama& model,
                 const std::vector<TrainingRow>& rows,
                 int64_t sequence_length) {
  require_trainable(rows, model.config, sequence_length);
  return measure_loss(model, rows, sequence_length, StopFlag());
}

}  // namespace thoughtrank
