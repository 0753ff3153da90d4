#include "thoughtrank/train/trainer.h"

#include <c10/util/Exception.h>

#include <cmath>
#include <map>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/train/rows.h"
#include "train/batch.h"
#include "train/schedule.h"
#include "train/state.h"
#include "train/state_pace.h"
#include "train/step_plan.h"
#include "train/stepper.h"

namespace thoughtrank {
namespace {

// Skipped steps in a row that end the training.
constexpr int64_t kMostBadSteps = 3;

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
           PreferenceLoss* preference)
      : rows_(rows),
        setup_(setup),
        preference_(preference),
        plan_(plan_steps(rows, setup, /*rows_per_unit=*/preference != nullptr ? 2 : 1)),
        stepper_(model, setup, preference),
        pace_(setup.clock, setup.options.state_every, stepper_.arena().state_bytes()) {}

  TrainResult run(Progress& progress) {
    begin(progress);
    while (state_.steps_done < static_cast<int64_t>(plan_.size())) {
      const StepPlan& step = plan_[static_cast<size_t>(state_.steps_done)];
      if (!take_step(step)) continue;
      progress.advance(/*done=*/1, step.tokens);
      const bool is_last = state_.steps_done == static_cast<int64_t>(plan_.size());
      if (!is_last && pace_.is_due(state_.steps_done)) save();
    }
    return result();
  }

 private:
  // Resumes from the newest state, or measures the loss before the first step.
  void begin(Progress& progress) {
    fs::create_directories(setup_.work_folder);
    remove_leftovers(setup_.work_folder);
    stepper_.prepare_reference();
    if (restore_state(setup_.work_folder, setup_.identity, state_, stepper_.arena())) {
      stepper_.micro_batches().set_parts(state_.micro_batch_parts);
    } else {
      state_.loss_before = stepper_.mean_loss(rows_);
      if (setup_.options.optimizer_in_backward) save();  // what a bad step goes back to
    }
    progress.set_total(static_cast<int64_t>(plan_.size()));
    progress.advance(state_.steps_done, /*work=*/0);
    write_quarantine();
  }

  void save() {
    state_.micro_batch_parts = stepper_.micro_batches().parts();
    pace_.time_writing(
        [&] { publish_state(setup_.work_folder, setup_.identity, state_, stepper_.arena()); });
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
                  {.learning_rate = rate, .update = state_.updates + 1, .step = state_.steps_done},
                  state_.metrics);
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
    if (measured.fault.empty()) {
      ++state_.updates;
      state_.bad_in_a_row = 0;
    } else {
      quarantine(step, measured);
    }
    ++state_.steps_done;
    RewardMetrics rewards;
    if (preference_ != nullptr) rewards = preference_->metrics();
    state_.metrics.push_back({.round = setup_.round,
                              .step = state_.steps_done,
                              .epoch = step.epoch,
                              .loss = measured.loss,
                              .grad_norm = measured.grad_norm,
                              .learning_rate = rate,
                              .loss_tokens = step.loss_tokens,
                              .tokens = step.tokens,
                              .skipped = !measured.fault.empty(),
                              .reward_margin = rewards.margin,
                              .reward_accuracy = rewards.accuracy});
    if (state_.bad_in_a_row == kMostBadSteps) give_up(measured.fault);
  }

  // Leaves the weights alone and notes the rows of a bad step.
  void quarantine(const StepPlan& step, const Measured& measured) {
    ++state_.bad_in_a_row;
    Json ids = Json::array();
    for (const Sequence& sequence : step.sequences) {
      for (const TrainingRow* row : sequence) ids.push_back(row->prompt_id);
    }
    log_warning("train: step {} is skipped: {}; loss {}, gradient norm {}, prompts {}",
                state_.steps_done + 1,
                measured.fault,
                measured.loss,
                measured.grad_norm,
                dump_json(ids));
    state_.quarantine.push_back({{"round", setup_.round},
                                 {"step", state_.steps_done + 1},
                                 {"reason", measured.fault},
                                 {"loss", number_text(measured.loss)},
                                 {"grad_norm", number_text(measured.grad_norm)},
                                 {"prompt_ids", ids}});
    write_quarantine();
  }

  // The whole file each time, so that a resumed run leaves the same one.
  void write_quarantine() const {
    std::string lines;
    for (const Json& row : state_.quarantine) lines += dump_json(row) + "\n";
    const fs::path file = setup_.work_folder / file_name(RoundFile::quarantine);
    if (!lines.empty() || fs::exists(file)) publish_file(file, lines);
  }

  [[noreturn]] void give_up(const std::string& fault) const {
    fail(ExitCode::kTrainingHealth,
         "training stopped at step {}: {} bad steps in a row; of the last one, {}. Their prompts "
         "are in {}; look at those rows, or lower train.learning_rate",
         state_.steps_done,
         kMostBadSteps,
         fault,
         (setup_.work_folder / file_name(RoundFile::quarantine)).string());
  }

  [[nodiscard]] TrainResult result() {
    const size_t rows = preference_ != nullptr ? rows_.size() / 2 : rows_.size();
    TrainResult result = {.rows = static_cast<int64_t>(rows),
                          .steps = state_.steps_done,
                          .loss_before = state_.loss_before,
                          .loss_after = stepper_.mean_loss(rows_),
                          .metrics = state_.metrics,
                          .adapter = stepper_.adapter()};
    for (const StepPlan& step : plan_) result.tokens += step.tokens;
    return result;
  }

  const std::vector<TrainingRow>& rows_;
  const TrainSetup& setup_;
  PreferenceLoss* preference_;
  std::vector<StepPlan> plan_;
  Stepper stepper_;
  TrainingState state_;
  StatePace pace_;
  std::map<int64_t, Measured> spoilers_;  // steps that had to be undone
};

TrainResult run_training(Llama& model,
                         const std::vector<TrainingRow>& rows,
                         const TrainSetup& setup,
                         PreferenceLoss* preference,
                         Progress& progress) {
  try {
    return Training(model, rows, setup, preference).run(progress);
  } catch (const c10::OutOfMemoryError& error) {
    fail(ExitCode::kDevice,
         "out of memory outside of a micro-batch ({}): choose a smaller tier with "
         "train.optimizer_state or train.optimizer_in_backward",
         error.what_without_backtrace());
  }
}

}  // namespace

TrainResult train(Llama& model,
                  const std::vector<TrainingRow>& rows,
                  const TrainSetup& setup,
                  Progress& progress) {
  require_tier(setup.options);
  require_trainable(rows, model.config, setup.options.sequence_length);
  return run_training(model, rows, setup, /*preference=*/nullptr, progress);
}

TrainResult train_on_pairs(Llama& model,
                           const std::vector<PreferencePairRow>& pairs,
                           const TrainSetup& setup,
                           Progress& progress) {
  require_tier(setup.options);
  const auto rows = rows_of_pairs(pairs, model.config, setup.options.sequence_length);
  PreferenceLoss preference(rows, setup);
  return run_training(model, rows, setup, &preference, progress);
}

double mean_loss(const Llama& model,
                 const std::vector<TrainingRow>& rows,
                 int64_t sequence_length) {
  require_trainable(rows, model.config, sequence_length);
  MicroBatches micro_batches;
  const StopFlag stop;
  return mean_loss_of(
      model,
      rows,
      {.sequence_length = sequence_length, .micro_batches = micro_batches, .stop = stop});
}

}  // namespace thoughtrank
