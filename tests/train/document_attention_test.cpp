// The attention of other devices, run on the CPU, against the CPU's own.
#include "train/document_attention.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "support/small_llama.h"

namespace thoughtrank {
namespace {

constexpr int64_t K = 2, kGroup = 3, D = 16, kTokens = 37;
constexpr double kTolerance = 1e-5;

LlamaConfig config_of_heads() {
  LlamaConfig config = small_config();
  config.num_attention_heads = K * kGroup;
  config.num_key_value_heads = K;
  config.head_dim = D;
  return config;
}

at::Tensor grouped(const at::Tensor& rows) {  // (n, H·D)
  return rows.unflatten(1, {K, -1, D}).permute({1, 2, 0, 3});
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(DocumentAttention, ElsewhereIsAsOnTheCpuForwardAndBackward) {
  const at::NoGradGuard no_grad;
  const LlamaConfig config = config_of_heads();
  constexpr int64_t H = K * kGroup;
  const std::vector<int64_t> offsets = {0, kTokens};
  at::manual_seed(1);
  const at::Tensor qkv = at::randn({kTokens, (H + 2 * K) * D});
  const at::Tensor d_mixed = at::randn({kTokens, H * D});
  const auto part = [&](int64_t first, int64_t count) {
    return grouped(qkv.narrow(1, first * D, count * D)).expand({K, kGroup, -1, -1});
  };
  const AttentionHeads heads = {.q = part(0, H), .k = part(H, K), .v = part(H + K, K)};

  const AttentionOutput output = attend_documents(qkv, offsets, config);
  EXPECT_LT(difference(attend_elsewhere(heads), grouped(output.mixed)), kTolerance);

  const at::Tensor d_qkv = attend_documents_gradient(d_mixed, qkv, output, offsets, config);
  const AttentionHeads found = attend_elsewhere_gradient(grouped(d_mixed), heads);
  const auto shared = [](const at::Tensor& d) { return d.sum(/*dim=*/1, /*keepdim=*/true); };
  const auto expected = [&](int64_t first, int64_t count) {
    return grouped(d_qkv.narrow(1, first * D, count * D));
  };
  EXPECT_LT(difference(found.q, expected(0, H)), kTolerance);
  EXPECT_LT(difference(shared(found.k), expected(H, K)), kTolerance);
  EXPECT_LT(difference(shared(found.v), expected(H + K, K)), kTolerance);
  EXPECT_GT(d_qkv.abs().max().item<double>(), 100 * kTolerance);
}

}  // namespace
}  // namespace thoughtrank
