#include "train/step_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/train/rows.h"

namespace thoughtrank {
namespace {

int64_t size_of(const TrainingRow& row) { return static_cast<int64_t>(row.input_ids.size()); }

template <class... Args>
[[noreturn]] void refuse(const TrainingRow& row,
                         fmt::format_string<Args...> message,
                         Args&&... args) {
  fail(ExitCode::kBadData,
       "training row of prompt '{}': {}",
       row.prompt_id,
       fmt::format(message, std::forward<Args>(args)...));
}

void require_length(const TrainingRow& row, const LlamaConfig& config, int64_t sequence_length) {
  if (size_of(row) < 2) {
    refuse(row, "expected at least 2 tokens, found {}: is it empty?", size_of(row));
  }
  if (size_of(row) > sequence_length) {
    refuse(row,
           "it has {} tokens, train.sequence_length is {}: raise it or remove the row",
           size_of(row),
           sequence_length);
  }
  if (size_of(row) > config.max_position_embeddings) {
    refuse(row,
           "it has {} tokens, the model's max_position_embeddings is {}: remove the row",
           size_of(row),
           config.max_position_embeddings);
  }
}

void require_ids(const TrainingRow& row, const LlamaConfig& config) {
  for (size_t i = 0; i < row.input_ids.size(); ++i) {
    const int64_t id = row.input_ids[i];
    if (id >= 0 && id < config.vocab_size) continue;
    refuse(row,
           "input_ids[{}] is {}, the model's vocabulary has ids 0 to {}: was the row made with "
           "another tokenizer?",
           i,
           id,
           config.vocab_size - 1);
  }
}

void require_spans(const TrainingRow& row) {
  int64_t covered = 0;
  for (const Span& span : row.spans) {
    const bool is_inside = span.from >= covered && span.from < span.to && span.to <= size_of(row);
    const bool is_weight = std::isfinite(span.weight) && span.weight >= 0;
    if (!is_inside || !is_weight) {
      refuse(row,
             "the span [{}, {}, {}] must lie within {} tokens, after the span before it, with a "
             "weight of 0 or more",
             span.from,
             span.to,
             span.weight,
             size_of(row));
    }
    covered = span.to;
  }
}

void require_mask(const TrainingRow& row) {
  if (!std::isfinite(row.weight) || row.weight < 0) {
    refuse(row, "expected a weight of 0 or more, found {}", row.weight);
  }
  const std::vector<float> weights = token_weights(row);
  const auto with_loss =
      std::count_if(weights.begin(), weights.end(), [](float w) { return w > 0; });
  if (with_loss == size_of(row)) {
    refuse(row, "every token has a loss: spans must leave out the prompt");
  }
  if (std::all_of(weights.begin() + 1, weights.end(), [](float w) { return w == 0; })) {
    refuse(row, "no token has a loss: check its spans and weights, and train.weights");
  }
}

// The rows' units (one row, or the rows of a pair) in the epoch's order.
std::vector<Sequence> order_units(const std::vector<TrainingRow>& rows,
                                  const TrainSetup& setup,
                                  int64_t epoch,
                                  size_t rows_per_unit) {
  std::vector<Sequence> order;
  for (size_t first = 0; first < rows.size(); first += rows_per_unit) {
    order.emplace_back();
    for (size_t n = 0; n < rows_per_unit; ++n) order.back().push_back(&rows.at(first + n));
  }
  if (setup.options.shuffle) {
    RandomStream(setup.seed,
                 "order of training rows",
                 {static_cast<uint64_t>(setup.round), static_cast<uint64_t>(epoch)})
        .shuffle(order);
  }
  return order;
}

int64_t tokens_of(const Sequence& rows) {
  int64_t tokens = 0;
  for (const TrainingRow* row : rows) tokens += size_of(*row);
  return tokens;
}

// Of a step: one that updates weights in its backward pass is one micro-batch.
int64_t most_tokens(const TrainOptions& options) {
  return options.optimizer_in_backward ? options.sequence_length
                                       : std::numeric_limits<int64_t>::max();
}

StepPlan plan_step(const std::vector<Sequence>& units, int64_t sequence_length) {
  StepPlan step;
  step.sequences = pack_units(units, sequence_length);
  for (const Sequence& unit : units) {
    for (const TrainingRow* row : unit) {
      step.tokens += size_of(*row);
      const std::vector<float> weights = token_weights(*row);
      for (size_t i = 1; i < weights.size(); ++i) {  // nothing predicts the first token
        step.loss_tokens += weights[i] > 0;
        step.loss_weight += static_cast<double>(weights[i]);
      }
    }
  }
  return step;
}

}  // namespace

std::vector<float> token_weights(const TrainingRow& row) {
  std::vector<float> weights(row.input_ids.size(), 0.0F);
  for (const Span& span : row.spans) {
    std::fill(weights.begin() + span.from,
              weights.begin() + span.to,
              static_cast<float>(span.weight * row.weight));
  }
  return weights;
}

void require_trainable(const std::vector<TrainingRow>& rows,
                       const LlamaConfig& config,
                       int64_t sequence_length) {
  if (rows.empty()) fail(ExitCode::kBadData, "there is no training row to train on");
  for (const TrainingRow& row : rows) {
    require_length(row, config, sequence_length);
    require_ids(row, config);
    require_spans(row);
    require_mask(row);
  }
}

std::vector<Sequence> pack_units(const std::vector<Sequence>& units, int64_t sequence_length) {
  std::vector<Sequence> sequences;
  std::vector<int64_t> room;  // tokens left in each
  for (const Sequence& unit : units) {
    const int64_t tokens = tokens_of(unit);
    const auto fits = [&](int64_t left) { return left >= tokens; };
    const auto place = std::find_if(room.begin(), room.end(), fits) - room.begin();
    const auto index = static_cast<size_t>(place);
    if (index == room.size()) {
      sequences.emplace_back();
      room.push_back(sequence_length);
    }
    sequences[index].insert(sequences[index].end(), unit.begin(), unit.end());
    room[index] -= tokens;
  }
  return sequences;
}

std::vector<Sequence> pack_rows(const std::vector<const TrainingRow*>& rows,
                                int64_t sequence_length) {
  std::vector<Sequence> units;
  for (const TrainingRow* row : rows) units.push_back({row});
  return pack_units(units, sequence_length);
}

std::vector<StepPlan> plan_steps(const std::vector<TrainingRow>& rows,
                                 const TrainSetup& setup,
                                 size_t rows_per_unit) {
  std::vector<StepPlan> steps;
  const auto total = static_cast<double>(rows.size() / rows_per_unit);
  for (int64_t epoch = 0; epoch < setup.options.epochs; ++epoch) {
    std::vector<Sequence> taken;
    int64_t tokens = 0;
    double done = 0;
    const auto close_step = [&] {
      steps.push_back(plan_step(taken, setup.options.sequence_length));
      steps.back().epoch = static_cast<double>(epoch) + done / total;
      taken.clear();
      tokens = 0;
    };
    for (Sequence& unit : order_units(rows, setup, epoch, rows_per_unit)) {
      const int64_t more = tokens_of(unit);
      if (!taken.empty() && tokens + more > most_tokens(setup.options)) close_step();
      taken.push_back(std::move(unit));
      tokens += more;
      ++done;
      if (tokens >= setup.options.tokens_per_step || done == total) close_step();
    }
  }
  return steps;
}

}  // namespace thoughtrank
