#include "thoughtrank/decode/roofline.h"

#include <algorithm>

namespace thoughtrank {
namespace {

// Elements of the matrices of one layer: q, o; k, v; gate, up, down.
int64_t layer_elements(const LlamaConfig& m) {
  const int64_t attention =
      2 * m.hidden_size * m.head_dim * (m.num_attention_heads + m.num_key_value_heads);
  return attention + 3 * m.hidden_size * m.intermediate_size;
}

double phase_s(double elements, double operations, int64_t bytes, const RooflineRates& rates) {
  return std::max(elements * static_cast<double>(bytes) / rates.read_bytes_per_s,
                  operations / rates.flops_per_s);
}

}  // namespace

DecodeRoofline decode_roofline(const LlamaConfig& model,
                               const DecodeWork& work,
                               const RooflineRates& rates) {
  const auto phase = [&](double elements, double operations) {
    return phase_s(elements, operations, work.bytes_per_element, rates);
  };
  const auto layers = static_cast<double>(model.num_hidden_layers);
  const auto head_dim = static_cast<double>(model.head_dim);
  const double body = layers * static_cast<double>(layer_elements(model));
  const double head = static_cast<double>(model.vocab_size * model.hidden_size);
  // Of one key and value: elements, and operations of one query's scores and weighted sum.
  const double kv = layers * 2 * static_cast<double>(model.num_key_value_heads) * head_dim;
  const double look = layers * 4 * static_cast<double>(model.num_attention_heads) * head_dim;

  const auto prompt = static_cast<double>(work.prompt_tokens);
  const auto branches = static_cast<double>(work.branches);
  DecodeRoofline roofline;
  roofline.prefill_s =
      phase(body, 2 * body * prompt) + phase(prompt * kv, prompt * prompt / 2 * look);
  const double linear_s = phase(body + head, 2 * (body + head) * branches);
  const double prefix_s = phase(prompt * kv, branches * prompt * look);
  for (int64_t token = 1; token <= work.new_tokens; ++token) {
    const double suffix = branches * static_cast<double>(token);
    roofline.decode_s += linear_s + prefix_s + phase(suffix * kv, suffix * look);
  }
  roofline.tokens_per_s =
      branches * static_cast<double>(work.new_tokens) / (roofline.prefill_s + roofline.decode_s);
  return roofline;
}

int64_t count_parameters(const LlamaConfig& model) {
  const int64_t vocabulary = model.vocab_size * model.hidden_size;
  const int64_t layer = layer_elements(model) + 2 * model.hidden_size;
  return (model.tie_word_embeddings ? 1 : 2) * vocabulary + model.num_hidden_layers * layer +
         model.hidden_size;
}

}  // namespace thoughtrank
