// How far a round's weights have gone from the untrained ones.
#pragma once

#include <vector>

#include "pipeline/session.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Log-likelihoods of held-out generations after their prompts, by one set of weights. What was
// forced, heads and the close tags of thoughts that were cut, is read only.
struct TextLikelihood {
  double log_probability = 0;
  int64_t tokens = 0;
};

// Of the first texts, which are enough. `prompts` carry token_ids and stand in the order of
// `outputs`.
[[nodiscard]] TextLikelihood likelihood_of(const Session& session,
                                           Decoder& decoder,
                                           const std::vector<PromptRow>& prompts,
                                           const std::vector<OutputRow>& outputs);

// Nats a token by which the round's weights, which wrote these texts and give them `own`, find them
// likelier than the untrained model does: an estimate of KL(round || untrained) along greedy
// answers. Loads the untrained model; no other may be in memory.
[[nodiscard]] double kl_to_untrained(const Session& session,
                                     const std::vector<PromptRow>& prompts,
                                     const std::vector<OutputRow>& outputs,
                                     const TextLikelihood& own);

}  // namespace thoughtrank
