// What a Llama of a config.json counts and holds: elements of its weights, keys and values of a
// token. Arithmetic only; the letters are those of model/llama.h.
#pragma once

#include <cstdint>

#include "thoughtrank/model/config.h"
#include "thoughtrank/model/dtype.h"

namespace thoughtrank {

// Elements of the weights.
struct ParameterCounts {
  int64_t layer_matrices = 0;  // of one layer: q, k, v, o, gate, up, down
  int64_t layer = 0;           // of one layer: the matrices and both norms
  int64_t vocabulary = 0;      // of the embedding; as many has a head of its own
  int64_t heads = 0;           // of these two matrices that the model holds: 1 where they are tied
  int64_t all = 0;
};
[[nodiscard]] ParameterCounts parameter_counts(const LlamaConfig& model);
// Counts all of them; a tied head counts once.
[[nodiscard]] int64_t parameter_count(const LlamaConfig& model);

// Count what the keys and values of one token are in all layers: 2·L·K·D elements, and their bytes.
[[nodiscard]] int64_t kv_elements_per_token(const LlamaConfig& model);
[[nodiscard]] int64_t kv_bytes_per_token(const LlamaConfig& model, Dtype dtype);

}  // namespace thoughtrank
