// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over flat arenas: one pass over weights, gradients
// and both moments. Weights and moments are float32 or bfloat16, in any combination; the arithmetic
// is float32. What is stored in bfloat16 is rounded stochastically: up with the probability of the
// cut-off part, so that updates far below half a unit in the last place are kept on average.
//
// Two more ways to store: a float32 master of bfloat16 weights, and moments in 8 bits.
// Those are shares of the largest value of their block of 256, as small floats: the first moment
// sign, 4 bits of exponent and 3 of mantissa, rounded stochastically; the second 5 and 3 bits,
// never less than its smallest step, so that no weight is divided by nothing.
//
// The bits are a pure function of (rounding key, element), so threads change nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include "thoughtrank/core/random.h"

namespace thoughtrank {

// Elements that share a scale where moments have 8 bits.
inline constexpr int64_t kMomentBlock = 256;

// Holds flat, contiguous tensors of one length on one device.
struct AdamWArena {
  at::Tensor weights;        // (N) float32 or bfloat16
  at::Tensor gradients;      // (N) of the weights' type
  at::Tensor first_moment;   // (N) float32, bfloat16, or uint8; zeros before the first update
  at::Tensor second_moment;  // (N) of the first moment's type
  at::Tensor master = {};    // (N) float32 of bfloat16 weights, or undefined; moments are float32
  at::Tensor first_scale = {};   // (N / kMomentBlock, rounded up) float32 where moments are uint8
  at::Tensor second_scale = {};  // the same of the second moment
};

struct AdamWUpdate {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;          // decay of every weight, decoupled from the gradient
  double gradient_scale = 1;        // factor on the gradients, which clips them
  int64_t update = 1;               // number of the update, from 1: the bias correction needs it
  RandomStream::Key rounding = {};  // key of the random bits, another one for each update
};

// Updates weights and moments in place. Throws Error(kInternal) when the tensors do not fit
// together.
void apply_adamw(const AdamWArena& arena, const AdamWUpdate& update);

}  // namespace thoughtrank
