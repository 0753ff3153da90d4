#include "train/preference.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/kernels/cross_entropy.h"
#include "thoughtrank/train/rows.h"
#include "train/batch.h"

namespace thoughtrank {
namespace {

constexpr const char* kReferenceFile = "reference.json";

// Tokens with loss of each row.
std::vector<int64_t> loss_counts(const Sequence& sequence) {
  std::vector<int64_t> counts;
  for (const TrainingRow* row : sequence) {
    const std::vector<float> weights = token_weights(*row);
    counts.push_back(
        std::count_if(weights.begin() + 1, weights.end(), [](float w) { return w != 0; }));
  }
  return counts;
}

// What the step's means divide by.
struct StepSize {
  double pairs = 0;
  double chosen_weight = 0;
};

StepSize size_of_step(const StepPlan& step) {
  StepSize size;
  for (const Sequence& sequence : step.sequences) {
    for (size_t n = 0; n < sequence.size(); n += 2) {
      size.pairs += 1;
      const std::vector<float> weights = token_weights(*sequence[n]);
      for (size_t i = 1; i < weights.size(); ++i) {
        size.chosen_weight += static_cast<double>(weights[i]);
      }
    }
  }
  return size;
}

// −log p of each row, weighted by its spans, without gradients. (R)
at::Tensor row_losses(const Llama& model,
                      const Batch& batch,
                      const at::Tensor& hidden,  // (N, C)
                      const std::vector<int64_t>& counts) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> losses;
  int64_t first = 0;
  for (const int64_t count : counts) {
    losses.push_back(linear_cross_entropy({.hidden = hidden.detach().narrow(0, first, count),
                                           .lm_head = model.lm_head.detach(),
                                           .targets = batch.targets.narrow(0, first, count),
                                           .weights = batch.weights.narrow(0, first, count)},
                                          default_chunk_rows(model.config.vocab_size)));
    first += count;
  }
  return at::stack(losses);
}

TrainingRow row_of(const PreferencePairRow& pair, bool is_chosen) {
  TrainingRow row;
  row.prompt_id = pair.prompt_id;
  row.round = pair.round;
  row.input_ids = pair.prompt_ids;
  const TokenIds& completion = is_chosen ? pair.chosen_ids : pair.rejected_ids;
  row.input_ids.insert(row.input_ids.end(), completion.begin(), completion.end());
  row.spans = is_chosen ? pair.chosen_spans : pair.rejected_spans;
  return row;
}

}  // namespace

PreferenceLoss::PreferenceLoss(const std::vector<TrainingRow>& rows, const TrainSetup& setup)
    : rows_(rows), setup_(setup) {}

StepPlan PreferenceLoss::plan_all() const {
  TrainSetup one_step = setup_;
  one_step.options.epochs = 1;
  one_step.options.shuffle = false;
  one_step.options.tokens_per_step = int64_t{1} << 40;
  return plan_steps(rows_, one_step, /*rows_per_unit=*/2).front();
}

void PreferenceLoss::prepare_reference(const Llama& model,
                                       MicroBatches& micro_batches,
                                       const ForwardOptions& options) {
  const fs::path file = setup_.work_folder / kReferenceFile;
  if (fs::exists(file)) {
    const Json stored = parse_json(read_file(file), file.string());
    if (require_string(stored, "identity", file.string()) == setup_.identity) {
      reference_ = require(stored, "log_probabilities", file.string()).get<std::vector<double>>();
    }
  }
  if (reference_.size() == rows_.size()) return;
  micro_batches.run(
      plan_all().sequences,
      [&] { reference_.assign(rows_.size(), 0); },
      [&](const Sequence& micro_batch) { find_reference(model, micro_batch, options); });
  publish_file(file,
               dump_json(Json{{"identity", setup_.identity}, {"log_probabilities", reference_}}));
}

void PreferenceLoss::find_reference(const Llama& model,
                                    const Sequence& sequence,
                                    const ForwardOptions& options) {
  const at::NoGradGuard no_grad;
  setup_.stop.throw_if_set();
  const Batch batch = make_batch(sequence, /*weight_scale=*/1, model.embed_tokens.device());
  const at::Tensor hidden =
      training_hidden(model, batch.tokens, options).index_select(0, batch.positions);  // (N, C)
  const at::Tensor losses = row_losses(model, batch, hidden, loss_counts(sequence)).cpu();
  for (size_t n = 0; n < sequence.size(); ++n) {
    reference_[static_cast<size_t>(sequence[n] - rows_.data())] =
        -losses[static_cast<int64_t>(n)].item<double>();
  }
}

at::Tensor PreferenceLoss::reference_of(const Sequence& sequence) const {
  std::vector<float> values;
  for (const TrainingRow* row : sequence) {
    values.push_back(static_cast<float>(reference_.at(static_cast<size_t>(row - rows_.data()))));
  }
  return at::tensor(values, at::kFloat);  // (R)
}

void PreferenceLoss::begin_step() { margins_.clear(); }

at::Tensor PreferenceLoss::part(const Llama& model,
                                const Sequence& sequence,
                                const StepPlan& step,
                                const ForwardOptions& options) {
  const DpoOptions& dpo = setup_.options.dpo;
  const StepSize size = size_of_step(step);
  const at::Device device = model.embed_tokens.device();
  const Batch batch = make_batch(sequence, /*weight_scale=*/1, device);
  const at::Tensor hidden =
      training_hidden(model, batch.tokens, options).index_select(0, batch.positions);  // (N, C)
  const std::vector<int64_t> counts = loss_counts(sequence);
  const at::Tensor losses = row_losses(model, batch, hidden, counts);               // (R)
  const at::Tensor gains = -losses - reference_of(sequence).to(device);             // (R)
  const at::Tensor pairs = gains.view({-1, 2});                                     // (P, 2)
  const at::Tensor margins = (pairs.select(1, 0) - pairs.select(1, 1)) * dpo.beta;  // (P)
  margins_.push_back(margins);
  const at::Tensor value = at::softplus(-margins).sum() / size.pairs +
                           losses.slice(0, 0, {}, 2).sum() * (dpo.nll / size.chosen_weight);
  if (!at::GradMode::is_enabled()) return value;

  // ∂ loss / ∂ (−log p) of each row: + on the chosen, − on the rejected.
  const at::Tensor pull = at::sigmoid(-margins) * (dpo.beta / size.pairs);  // (P)
  const at::Tensor slopes =
      at::stack({pull + dpo.nll / size.chosen_weight, -pull}, /*dim=*/1).flatten();  // (R)
  const at::Tensor repeats = at::tensor(counts, at::kLong).to(device);
  const at::Tensor slope =
      linear_cross_entropy({.hidden = hidden,
                            .lm_head = model.lm_head,
                            .targets = batch.targets,
                            .weights = batch.weights * slopes.repeat_interleave(repeats)},
                           default_chunk_rows(model.config.vocab_size));
  return slope + (value - slope.detach());  // the value of the loss, the gradient of the slope
}

double PreferenceLoss::mean(const Llama& model,
                            MicroBatches& micro_batches,
                            const ForwardOptions& options) {
  const at::NoGradGuard no_grad;
  const StepPlan all = plan_all();
  double loss = 0;
  micro_batches.run(
      all.sequences,
      [&] {
        begin_step();
        loss = 0;
      },
      [&](const Sequence& micro_batch) {
        setup_.stop.throw_if_set();
        loss += part(model, micro_batch, all, options).item<double>();
      });
  begin_step();
  return loss;
}

RewardMetrics PreferenceLoss::metrics() const {
  const at::Tensor margins = at::cat(margins_).to(at::kDouble);
  return {.margin = margins.mean().item<double>(),
          .accuracy = (margins > 0).to(at::kDouble).mean().item<double>()};
}

std::vector<TrainingRow> rows_of_pairs(const std::vector<PreferencePairRow>& pairs,
                                       const LlamaConfig& config,
                                       int64_t sequence_length) {
  std::vector<TrainingRow> rows;
  for (const PreferencePairRow& pair : pairs) {
    for (const bool is_chosen : {true, false}) rows.push_back(row_of(pair, is_chosen));
  }
  if (rows.empty()) fail(ExitCode::kBadData, "there is no preference pair to train on");
  require_trainable(rows, config, sequence_length);
  for (size_t n = 0; n < rows.size(); n += 2) {
    const size_t tokens = rows[n].input_ids.size() + rows[n + 1].input_ids.size();
    if (tokens <= static_cast<size_t>(sequence_length)) continue;
    fail(ExitCode::kBadData,
         "preference pair of prompt '{}': chosen and rejected have {} tokens together, "
         "train.sequence_length is {}: raise it or remove the pair",
         rows[n].prompt_id,
         tokens,
         sequence_length);
  }
  return rows;
}

}  // namespace thoughtrank
