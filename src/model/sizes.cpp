#include "thoughtrank/model/sizes.h"

namespace thoughtrank {

ParameterCounts parameter_counts(const LlamaConfig& model) {
  const int64_t C = model.hidden_size, F = model.intermediate_size, D = model.head_dim;
  const int64_t H = model.num_attention_heads, K = model.num_key_value_heads;
  ParameterCounts counts;
  counts.layer_matrices = 2 * C * H * D + 2 * C * K * D + 3 * C * F;  // q, o; k, v; the three of F
  counts.layer = counts.layer_matrices + 2 * C;
  counts.vocabulary = model.vocab_size * C;
  counts.heads = model.tie_word_embeddings ? 1 : 2;
  counts.all = model.num_hidden_layers * counts.layer + counts.heads * counts.vocabulary + C;
  return counts;
}

int64_t parameter_count(const LlamaConfig& model) { return parameter_counts(model).all; }

int64_t kv_elements_per_token(const LlamaConfig& model) {
  return 2 * model.num_hidden_layers * model.num_key_value_heads * model.head_dim;
}

int64_t kv_bytes_per_token(const LlamaConfig& model, Dtype dtype) {
  return kv_elements_per_token(model) * bytes_of(dtype);
}

}  // namespace thoughtrank
