// The vocabulary projection and what greedy decoding and scoring need of it, in one pass: the
// logits exist only in cache-sized pieces.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "thoughtrank/kernels/packed_linear.h"

namespace thoughtrank {

struct VocabularyRow {
  int64_t best_id = 0;  // the lowest id of the highest logit
  float best_logit = 0;
  float second_logit = 0;  // the logit after it, −∞ when there is one token only
  double log_sum_exp = 0;  // log Σ exp(logit) of the vocabulary: log p = logit − log_sum_exp
  float wanted_logit = 0;  // the logit of the id asked for
  bool is_finite =
      true;  // whether all logits are finite; the rest means nothing where they are not
};

// Reads hidden (M, C), in activation_dtype() of lm_head's type. `wanted` is empty or names one
// token id per row.
[[nodiscard]] std::vector<VocabularyRow> read_vocabulary(ThreadPool& pool,
                                                         const PackedLinear& lm_head,
                                                         const at::Tensor& hidden,
                                                         const std::vector<int64_t>& wanted);

}  // namespace thoughtrank
