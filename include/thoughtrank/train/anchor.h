// Weights that are published between those that a round began at and those that it trained.
#pragma once

#include <cstdint>
#include <filesystem>

#include "thoughtrank/model/llama.h"

namespace thoughtrank {

struct AnchorSetup {
  double ema = 0;  // share of the start
  uint64_t seed = 0;
  int64_t round = 0;
};

// Sets each weight of `model` to ema · start + (1 − ema) · trained, where `start` is the model
// folder that the training began at: with one round WiSE-FT (Wortsman et al., arXiv 2109.01903,
// α = 1 − ema), over rounds that begin at the one before an exponential moving average of what
// they trained. The mean is taken in float32; where the model is bfloat16 it is rounded
// stochastically, with bits that follow from seed, round and place alone. ema 0 and 1 give the
// trained and the start weights, bit for bit.
void average_with_start(Llama& model, const std::filesystem::path& start, const AnchorSetup& setup);

}  // namespace thoughtrank
