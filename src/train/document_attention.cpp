#include "train/document_attention.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <tuple>

namespace thoughtrank {
namespace {

at::Tensor grouped(const at::Tensor& rows, int64_t key_heads, int64_t D) {  // (n, H·D), a view
  return rows.unflatten(1, {key_heads, -1, D}).permute({1, 2, 0, 3});
}

// Views: keys and values are broadcast over the heads that share them (stride 0), never copied.
AttentionHeads heads_of(const at::Tensor& qkv, const LlamaConfig& config) {  // (n, (H + 2·K)·D)
  const int64_t D = config.head_dim, H = config.num_attention_heads;
  const int64_t K = config.num_key_value_heads;
  const auto shared = [&](int64_t first) {
    return grouped(qkv.narrow(1, first * D, K * D), K, D).expand({K, H / K, -1, D});
  };
  return {.q = grouped(qkv.narrow(1, 0, H * D), K, D), .k = shared(H), .v = shared(H + K)};
}

// One document on the CPU, and its log-sum-exps.
std::tuple<at::Tensor, at::Tensor> attend(const AttentionHeads& heads) {
  return at::_scaled_dot_product_flash_attention_for_cpu(
      heads.q, heads.k, heads.v, /*dropout_p=*/0.0, /*is_causal=*/true);
}

AttentionHeads attend_gradient(const at::Tensor& d_mixed,
                               const AttentionHeads& heads,
                               const at::Tensor& mixed,
                               const at::Tensor& log_sum_exp) {
  const auto [d_q, d_k, d_v] =
      at::_scaled_dot_product_flash_attention_for_cpu_backward(d_mixed,
                                                               heads.q,
                                                               heads.k,
                                                               heads.v,
                                                               mixed,
                                                               log_sum_exp,
                                                               /*dropout_p=*/0.0,
                                                               /*is_causal=*/true);
  return {.q = d_q, .k = d_k, .v = d_v};
}

}  // namespace

at::Tensor attend_elsewhere(const AttentionHeads& heads) {
  return at::scaled_dot_product_attention(heads.q,
                                          heads.k.contiguous(),
                                          heads.v.contiguous(),
                                          /*attn_mask=*/{},
                                          /*dropout_p=*/0.0,
                                          /*is_causal=*/true);
}

AttentionHeads attend_elsewhere_gradient(const at::Tensor& d_mixed, const AttentionHeads& heads) {
  const at::AutoGradMode with_gradients(true);
  const auto leaf = [](const at::Tensor& t) {
    return t.detach().contiguous().set_requires_grad(true);
  };
  const AttentionHeads leaves = {.q = leaf(heads.q), .k = leaf(heads.k), .v = leaf(heads.v)};
  const auto gradients = torch::autograd::grad(
      {attend_elsewhere(leaves)}, {leaves.q, leaves.k, leaves.v}, {d_mixed.contiguous()});
  return {.q = gradients[0], .k = gradients[1], .v = gradients[2]};
}

AttentionOutput attend_documents(const at::Tensor& qkv,
                                 const std::vector<int64_t>& offsets,
                                 const LlamaConfig& config) {
  const int64_t D = config.head_dim, H = config.num_attention_heads;
  const int64_t K = config.num_key_value_heads;
  AttentionOutput output = {.mixed = at::empty({qkv.size(0), H * D}, qkv.options()),
                            .log_sum_exps = {}};
  for (size_t n = 1; n < offsets.size(); ++n) {
    const int64_t from = offsets[n - 1], length = offsets[n] - from;
    const AttentionHeads heads = heads_of(qkv.narrow(0, from, length), config);
    const auto [mixed, log_sum_exp] =
        qkv.is_cpu() ? attend(heads) : std::tuple(attend_elsewhere(heads), at::Tensor());
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
    const AttentionHeads heads = heads_of(rows(qkv), config);
    const at::Tensor d_heads = grouped(rows(d_mixed), K, D);
    const AttentionHeads d =
        qkv.is_cpu()
            ? attend_gradient(
                  d_heads, heads, grouped(rows(output.mixed), K, D), output.log_sum_exps[n - 1])
            : attend_elsewhere_gradient(d_heads, heads);
    const at::Tensor d_rows = rows(d_qkv);
    grouped(d_rows.narrow(1, 0, H * D), K, D).copy_(d.q);
    const auto store_shared = [&](int64_t first, const at::Tensor& sum) {  // over its queries
      grouped(d_rows.narrow(1, first * D, K * D), K, D).copy_(sum.sum(/*dim=*/1, /*keepdim=*/true));
    };
    store_shared(H, d.k);
    store_shared(H + K, d.v);
  }
  return d_qkv;
}

}  // namespace thoughtrank
