// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over flat arenas: one pass over weights, gradients
// and both moments. Weights and moments are float32 or bfloat16, in any combination; the arithmetic
// is float32. What is stored in bfloat16 is rounded stochastically: up with the probability of the
// cut-off part, so that updates far below half a unit in the last place are kept on average.
// The bits are a pure function of (rounding key, element), so threads change nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/core/random.h"

namespace thoughtrank {

// Flat, contiguous tensors of one length on one device.
struct AdamWArena {
  at::Tensor weights;        // (N) float32 or bfloat16
  at::Tensor gradients;      // (N) as weights
  at::Tensor first_moment;   // (N) float32 or bfloat16; zeros before the first update
  at::Tensor second_moment;  // (N) as first_moment
};

struct AdamWUpdate {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;          // decoupled, on every weight
  double gradient_scale = 1;        // factor on the gradients: clipping
  int64_t update = 1;               // 1 for the first update; for the bias correction
  RandomStream::Key rounding = {};  // a key of its own for each update
};

// Updates weights and moments in place. Error(kInternal) when the tensors do not fit together.
void apply_adamw(const AdamWArena& arena, const AdamWUpdate& update);

}  // namespace thoughtrank
