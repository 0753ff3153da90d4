#include "thoughtrank/train/trainer.h"

#include <c10/util/Exception.h>

#include <cmath>
#include <map>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "train/batch.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/step_plan.h"
#include "train/stepper.h"

namespace thoughtrank {
namespace {

// Skipped steps in a row that end the training.
constexpr int64_t kMostBadSteps = 3;

// Σ of all rows' loss weights.
double total_weight(const std::vector<TrainingRow>& rows) {
  double weight = 0;
  for (const TrainingRow& row : rows) {
    const std::vector<float> weights = token_weights(row);
    for (size_t i = 1; i < weights.size(); ++i) weight += static_cast<double>(weights[i]);
  }
  return weight;
}

std::vector<Sequence> pack_all(const std::vector<TrainingRow>& rows, int64_t sequence_length) {
  std::vector<const TrainingRow*> all;
  for (const TrainingRow& row : rows) all.push_back(&row);
  return pack_rows(all, sequence_length);
}

// JSON has no NaN and no infinity; the sign of a NaN is chance.
std::string number_text(double value) {
  return std::isnan(value) ? "nan" : fmt::format("{}", value);
}

class Training {
 public:
  Training(Llama& model, const std::vector<TrainingRow>& rows, const TrainSetup& setup)
      : model_(model),
        rows_(rows),
        setup_(setup),
        plan_(plan_steps(rows, setup)),
        stepper_(model, setup) {}

  TrainResult run(Progress& progress) {
    begin(progress);
    while (state_.steps_done < static_cast<int64_t>(plan_.size())) {
      const StepPlan& step = plan_[static_cast<size_t>(state_.steps_done)];
      if (!take_step(step)) continue;
      progress.advance(/*done=*/1, step.tokens);
      const bool is_last = state_.steps_done == static_cast<int64_t>(plan_.size());
      if (!is_last && state_.steps_done % setup_.options.state_every == 0) {
        save();
      }
    }
    return result();
  }

 private:
  // Resumes from the newest state, or measures the loss before the first step.
  void begin(Progress& progress) {
    fs::create_directories(setup_.work_folder);
    remove_leftovers(setup_.work_folder);
    if (restore_state(setup_.work_folder, setup_.identity, state_, stepper_.arena())) {
      stepper_.micro_batches().set_parts(state_.micro_batch_parts);
    } else {
      state_.loss_before = measure_all();
      if (setup_.options.optimizer_in_backward) save();  // what a bad step goes back to
    }
    progress.set_total(static_cast<int64_t>(plan_.size()));
    progress.advance(state_.steps_done, /*work=*/0);
    write_quarantine();
  }

  void save() {
    state_.micro_batch_parts = stepper_.micro_batches().parts();
    publish_state(setup_.work_folder, setup_.identity, state_, stepper_.arena());
  }

  // False when the step spoilt weights before it was found to be bad: it is left out when the steps
  // since the last state have been taken again.
  [[nodiscard]] bool take_step(const StepPlan& step) {
    const auto spoiler = spoilers_.find(state_.steps_done);
    const bool is_known = spoiler != spoilers_.end();
    const double rate =
        learning_rate_at(setup_.options, state_.steps_done, static_cast<int64_t>(plan_.size()));
    const Measured measured =
        is_known
            ? spoiler->second
            : stepper_.take(
                  step,
                  {.learning_rate = rate, .update = state_.updates + 1, .step = state_.steps_done});
    if (!is_known && stepper_.must_restore()) {
      go_back(measured);
      return false;
    }
    note_step(step, measured, rate);
    return true;
  }

  void go_back(const Measured& measured) {
    const int64_t bad_step = state_.steps_done;
    spoilers_.emplace(bad_step, measured);
    if (!restore_state(setup_.work_folder, setup_.identity, state_, stepper_.arena())) {
      fail(ExitCode::kTrainingHealth,
           "step {} had a gradient that is not finite after some weights were updated, and {} "
           "holds no state to go back to: run again",
           bad_step + 1,
           setup_.work_folder.string());
    }
    log_warning("train: step {} has a gradient that is not finite: back to the state of step {}",
                bad_step + 1,
                state_.steps_done);
  }

  void note_step(const StepPlan& step, const Measured& measured, double rate) {
    if (measured.is_finite()) {
      ++state_.updates;
      state_.bad_in_a_row = 0;
    } else {
      quarantine(step, measured);
    }
    ++state_.steps_done;
    state_.metrics.push_back({.round = setup_.round,
                              .step = state_.steps_done,
                              .epoch = step.epoch,
                              .loss = measured.loss,
                              .grad_norm = measured.grad_norm,
                              .learning_rate = rate,
                              .loss_tokens = step.loss_tokens,
                              .tokens = step.tokens,
                              .skipped = !measured.is_finite()});
    if (state_.bad_in_a_row == kMostBadSteps) give_up(measured);
  }

  // Leaves the weights alone and notes the rows of a step that is not finite.
  void quarantine(const StepPlan& step, const Measured& measured) {
    ++state_.bad_in_a_row;
    Json ids = Json::array();
    for (const Sequence& sequence : step.sequences) {
      for (const TrainingRow* row : sequence) ids.push_back(row->prompt_id);
    }
    log_warning("train: step {} is skipped, loss {}, gradient norm {}, prompts {}",
                state_.steps_done + 1,
                measured.loss,
                measured.grad_norm,
                dump_json(ids));
    state_.quarantine.push_back({{"round", setup_.round},
                                 {"step", state_.steps_done + 1},
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

  [[noreturn]] void give_up(const Measured& measured) const {
    fail(ExitCode::kTrainingHealth,
         "training stopped at step {}: {} steps in a row were not finite (loss {}, gradient norm "
         "{}). Their prompts are in {}; look at those rows, or lower train.learning_rate",
         state_.steps_done,
         kMostBadSteps,
         measured.loss,
         measured.grad_norm,
         (setup_.work_folder / "quarantine.jsonl").string());
  }

  [[nodiscard]] double measure_all() {
    return stepper_.total_loss(pack_all(rows_, setup_.options.sequence_length)) /
           total_weight(rows_);
  }

  [[nodiscard]] TrainResult result() {
    TrainResult result = {.rows = static_cast<int64_t>(rows_.size()),
                          .steps = state_.steps_done,
                          .loss_before = state_.loss_before,
                          .loss_after = measure_all(),
                          .metrics = state_.metrics};
    for (const StepPlan& step : plan_) result.tokens += step.tokens;
    return result;
  }

  Llama& model_;
  const std::vector<TrainingRow>& rows_;
  const TrainSetup& setup_;
  std::vector<StepPlan> plan_;
  Stepper stepper_;
  TrainingState state_;
  std::map<int64_t, Measured> spoilers_;  // steps that had to be undone
};

}  // namespace

TrainResult train(Llama& model,
                  const std::vector<TrainingRow>& rows,
                  const TrainSetup& setup,
                  Progress& progress) {
  require_tier(setup.options);
  require_trainable(rows, model.config, setup.options.sequence_length);
  try {
    return Training(model, rows, setup).run(progress);
  } catch (const c10::OutOfMemoryError& error) {
    fail(ExitCode::kDevice,
         "out of memory outside of a micro-batch ({}): choose a smaller tier with "
         "train.optimizer_state or train.optimizer_in_backward",
         error.what_without_backtrace());
  }
}

double mean_loss(const Llama& model,
                 const std::vector<TrainingRow>& rows,
                 int64_t sequence_length) {
  require_trainable(rows, model.config, sequence_length);
  MicroBatches micro_batches;
  const StopFlag stop;
  return sum_losses(model, pack_all(rows, sequence_length), micro_batches, stop) /
         total_weight(rows);
}

}  // namespace thoughtrank
