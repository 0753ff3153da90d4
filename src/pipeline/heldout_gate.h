// The publish gate train.max_heldout_worse: how well the weights predict the held-out answers
// before and after a round's training.
#pragma once

#include <optional>

#include "pipeline/session.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

// Token-mean loss of the held-out prompts' answers (of the anchors, where not all prompts have
// one); nullopt when train.max_heldout_worse is off. Error(kMissingInput) without anchors.
[[nodiscard]] std::optional<double> measure_heldout(const Session& session, const Llama& model);

// Error(kTrainingHealth) when the loss rose by more than the gate allows.
void require_heldout_kept(const Session& session,
                          int64_t round,
                          const std::optional<double>& before,
                          const std::optional<double>& after);

}  // namespace thoughtrank
