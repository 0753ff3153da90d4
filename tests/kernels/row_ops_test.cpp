#include "thoughtrank/kernels/row_ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/random_tensors.h"
#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {
namespace {

at::Tensor reference_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kDouble);
  return wide * (wide.square().mean(-1, /*keepdim=*/true) + eps).rsqrt() * weight;
}

TEST(RowOps, NormAddsTheResidualAndScales) {
  ThreadPool pool(2);
  for (const int64_t C : {4, 16, 50, 576}) {
    const at::Tensor x = random_tensor({6, C}, 1), delta = random_tensor({6, C}, 2);
    const at::Tensor weight = random_tensor({C}, 3);
    const at::Tensor sum = x + delta;
    const at::Tensor expected = reference_norm(sum, weight, 1e-5);
    at::Tensor out = at::empty({6, C}), narrow = at::empty({6, C}, at::kBFloat16);
    add_rms_norm(pool, x, delta, weight, 1e-5, out);
    EXPECT_TRUE(at::equal(x, sum));
    EXPECT_TRUE(at::allclose(out.to(at::kDouble), expected, 1e-5, 1e-6)) << C;
    add_rms_norm(pool, x, at::Tensor(), weight, 1e-5, narrow);
    EXPECT_TRUE(at::equal(narrow, out.to(at::kBFloat16))) << C;
  }
}

TEST(RowOps, RowsAreCopiedAndWidened) {
  const at::Tensor rows = random_tensor({5, 7}, 1);
  const std::vector<int64_t> places = {4, 0, 4};
  const at::Tensor index = at::tensor(places, at::kLong);
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor typed = rows.to(dtype), expected = typed.index_select(0, index);
    EXPECT_TRUE(at::equal(copy_rows(typed, places), expected));
    at::Tensor wide = at::empty({3, 7});
    widen_rows(typed, places, wide);
    EXPECT_TRUE(at::equal(wide, expected.to(at::kFloat)));
  }
}

TEST(VectorKernels, SiluTimesUp) {
  const RowKernels<float>& wide = vector_kernels().rows<float>();
  const RowKernels<Bf16>& narrow = vector_kernels().rows<Bf16>();
  for (const int64_t F : {6, 32, 1537}) {
    const at::Tensor gate = random_tensor({F}, 1) * 20, up = random_tensor({F}, 2);
    const float *g = gate.const_data_ptr<float>(), *u = up.const_data_ptr<float>();
    at::Tensor out = at::empty({F}), rounded = at::empty({F}, at::kBFloat16);
    wide.silu_mul(g, u, out.mutable_data_ptr<float>(), F);
    EXPECT_TRUE(at::allclose(out, at::silu(gate) * up, 1e-5, 1e-6)) << F;
    narrow.silu_mul(g, u, static_cast<Bf16*>(rounded.mutable_data_ptr()), F);
    EXPECT_TRUE(at::equal(rounded, out.to(at::kBFloat16))) << F;
  }
}

TEST(VectorKernels, NotANumberPassesThrough) {
  at::Tensor gate = at::ones({32}), out = at::empty({32}, at::kBFloat16);
  gate[3] = std::numeric_limits<float>::quiet_NaN();
  const float* g = gate.const_data_ptr<float>();
  vector_kernels().rows<Bf16>().silu_mul(g, g, static_cast<Bf16*>(out.mutable_data_ptr()), 32);
  EXPECT_TRUE(at::isnan(out[3]).item<bool>());
  EXPECT_FALSE(at::isnan(out[4]).item<bool>());
}

// Every instruction set of this machine agrees with the portable kernels to rounding.
TEST(VectorKernels, RowKernelsAgreeBetweenInstructionSets) {
  const at::Tensor x = random_tensor({70}, 1), y = random_tensor({70}, 2);
  const auto run = [&](const VectorKernels& kernels) {
    at::Tensor out = at::zeros({4, 70});
    float* to = out.mutable_data_ptr<float>();
    const float *a = x.const_data_ptr<float>(), *b = y.const_data_ptr<float>();
    at::Tensor copy = x.clone();
    kernels.f32.rms_norm(copy.mutable_data_ptr<float>(), b, b, 1e-5f, to, 70);
    kernels.f32.silu_mul(a, b, to + 70, 70);
    kernels.f32.rotate(a, b, b, 0.5f, to + 140, 70);
    SoftmaxState state{-1, 2};
    to[279] = kernels.f32.softmax_page(a, 63, to + 210, state);
    to[278] = state.sum;
    to[277] = state.highest;
    return out;
  };
  const at::Tensor expected = run(portable_kernels());
  for (const auto set : supported_instruction_sets()) {
    EXPECT_TRUE(at::allclose(run(vector_kernels(set)), expected, 1e-5, 1e-6));
  }
}

}  // namespace
}  // namespace thoughtrank
