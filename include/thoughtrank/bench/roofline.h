// The least time in which a machine can decode a group of branches: arithmetic over the model's
// sizes and two rates of the machine, no measurement. Each phase takes the longer of reading its
// bytes once and doing its operations; the phases are summed. The phases are the prefill, and for
// every step the linear layers, attention to the shared prefix (read once for all branches) and
// attention to each branch's own tokens.
#pragma once

#include <cstdint>

#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/model/config.h"

namespace thoughtrank {

struct DecodeWork {
  int64_t prompt_tokens = 0;     // shared by the branches
  int64_t new_tokens = 0;        // of each branch
  int64_t branches = 0;          // all in flight at once
  Dtype dtype = Dtype::float32;  // of weights, keys and values
};

struct DecodeRoofline {
  double prefill_s = 0;
  double decode_s = 0;
  double tokens_per_s = 0;  // branches × new tokens over both
};

// Computes the least time of the work at these rates.
[[nodiscard]] DecodeRoofline decode_roofline(const LlamaConfig& model,
                                             const DecodeWork& work,
                                             const PeakRates& rates);

}  // namespace thoughtrank
