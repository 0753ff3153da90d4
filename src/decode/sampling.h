// Draws a token from a row of logits. Pure functions of the logits, the settings and the number of
// the draw.
#pragma once

#include <cstdint>
#include <optional>

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

// Draws from softmax(logits / temperature), with top_p below 1 from the fewest most probable tokens
// that have that much probability together (nucleus sampling, Holtzman et al., ICLR 2020; equal
// logits by their ids). `draw` numbers the branch's draws. log_probability and margin are those of
// the logits as they are, at temperature 1. nullopt where a logit is not finite.
[[nodiscard]] std::optional<TokenChoice> draw_token(const float* logits,
                                                    int64_t vocab_size,
                                                    const Sampling& sampling,
                                                    int64_t draw);

}  // namespace thoughtrank
