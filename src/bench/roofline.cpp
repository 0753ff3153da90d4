#include "thoughtrank/bench/roofline.h"

#include <algorithm>

#include "thoughtrank/model/sizes.h"

namespace thoughtrank {
namespace {

double phase_s(double elements, double operations, Dtype dtype, const PeakRates& rates) {
  return std::max(elements * static_cast<double>(bytes_of(dtype)) / rates.read_bytes_per_s,
                  operations / rates.flops_per_s(dtype));
}

}  // namespace

DecodeRoofline decode_roofline(const LlamaConfig& model,
                               const DecodeWork& work,
                               const PeakRates& rates) {
  const auto phase = [&](double elements, double operations) {
    return phase_s(elements, operations, work.dtype, rates);
  };
  const ParameterCounts counts = parameter_counts(model);
  const auto layers = static_cast<double>(model.num_hidden_layers);
  const auto head_dim = static_cast<double>(model.head_dim);
  const double body = layers * static_cast<double>(counts.layer_matrices);
  const double head = static_cast<double>(counts.vocabulary);
  // Of one key and value: elements, and operations of one query's scores and weighted sum.
  const double kv = static_cast<double>(kv_elements_per_token(model));
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

}  // namespace thoughtrank
