// The publish gate train.max_heldout_worse: how well the weights predict the held-out answers
// before and after a training.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

struct HeldoutGate {
  std::vector<TrainingRow> rows = {};  // at least one: a held-out prompt and its answer
  double max_worse = 0;                // the allowed rise, relative to the loss before
  std::string subject = {};            // begins the error: "round 3"
  std::string advice = {};             // ends the error

  // The token-mean loss of the answers.
  [[nodiscard]] double measure(const Llama& model) const;
  // Error(kTrainingHealth) when the loss rose by more than is allowed, or is not a number.
  void require_kept(double before, double after) const;
};

// One row for each prompt, with loss on its answer; both cut at the model's context. Prompts that
// leave no room for an answer, and empty answers, are left out.
[[nodiscard]] std::vector<TrainingRow> heldout_rows(const ModelTexts& texts,
                                                    const std::vector<PromptRow>& prompts,
                                                    const std::vector<std::string>& answers);

// The prompts' own answers; nullopt where one of the prompts has none.
[[nodiscard]] std::optional<std::vector<std::string>> own_answers(
    const std::vector<PromptRow>& prompts);

}  // namespace thoughtrank
