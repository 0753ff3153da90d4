#include "train/document_attention.h"

#include <ATen/ATen.h>

namespace thoughtrank {
namespace {

// The heads of one document, as views: query heads that share a key head are neighbours, so that
// keys and values are broadcast over them (stride 0), never copied. All (K, H/K, n, D).
struct Heads {
  at::Tensor q, k, v;
};

at::Tensor grouped(const at::Tensor& rows, int64_t key_heads, int64_t D) {  // (n, H·D)
  return rows.unflatten(1, {key_heads, -1, D}).permute({1, 2, 0, 3});
}

Heads heads_of(const at::Tensor& qkv, const LlamaConfig& config) {  // (n, (H + 2·K)·D)
  const int64_t D = config.head_dim, H = config.num_attention_heads;
  const int64_t K = config.num_key_value_heads;
  const auto shared = [&](int64_t first) {
    return grouped(qkv.narrow(1, first * D, K * D), K, D).expand({K, H / K, -1, D});
  };
  return {.q = grouped(qkv.narrow(1, 0, H * D), K, D), .k = shared(H), .v = shared(H + K)};
}

}  // namespace

AttentionOutput attend_documents(const at::Tensor& qkv,
                                 const std::vector<int64_t>& offsets,
                                 const LlamaConfig& config) {
  const int64_t D = config.head_dim, H = config.num_attention_heads;
  const int64_t K = config.num_key_value_heads;
  AttentionOutput output = {.mixed = at::empty({qkv.size(0), H * D}, qkv.options()),
                            .log_sum_exps = {}};
  for (size_t n = 1; n < offsets.size(); ++n) {
    const int64_t from = offsets[n - 1], length = offsets[n] - from;
    const Heads heads = heads_of(qkv.narrow(0, from, length), config);
    const auto [mixed, log_sum_exp] = at::_scaled_dot_product_flash_attention_for_cpu(
        heads.q, heads.k, heads.v, /*dropout_p=*/0.0, /*is_causal=*/true);
    grouped(output.mixed.narrow(0, from, length), K, D).copy_(mixed);
    output.log_sum_exps.push_back(log_sum_exp);
  }
  return output;
}

at::Tensor attend_documents_gradient(const at::Tensor& d_mixed,
                                     const at::Tensor& qkv,
                                     const AttentionOutput& output,
                                     const std::vector<int64_t>& offsets,
                                     const LlamaConfig& config) {
  const int64_t D = config.head_dim, H = config.num_attention_heads;
  const int64_t K = config.num_key_value_heads;
  at::Tensor d_qkv = at::empty_like(qkv);
  for (size_t n = 1; n < offsets.size(); ++n) {
    const int64_t from = offsets[n - 1], length = offsets[n] - from;
    const auto rows = [&](const at::Tensor& t) { return t.narrow(0, from, length); };
    const Heads heads = heads_of(rows(qkv), config);
    const auto [d_q, d_k, d_v] =
        at::_scaled_dot_product_flash_attention_for_cpu_backward(grouped(rows(d_mixed), K, D),
                                                                 heads.q,
                                                                 heads.k,
                                                                 heads.v,
                                                                 grouped(rows(output.mixed), K, D),
                                                                 output.log_sum_exps[n - 1],
                                                                 /*dropout_p=*/0.0,
                                                                 /*is_causal=*/true);
    const at::Tensor d_rows = rows(d_qkv);
    grouped(d_rows.narrow(1, 0, H * D), K, D).copy_(d_q);
    const auto store_shared = [&](int64_t first, const at::Tensor& d) {  // summed over its queries
      grouped(d_rows.narrow(1, first * D, K * D), K, D).copy_(d.sum(/*dim=*/1, /*keepdim=*/true));
    };
    store_shared(H, d_k);
    store_shared(H + K, d_v);
  }
  return d_qkv;
}

}  // namespace thoughtrank
