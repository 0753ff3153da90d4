#include "thoughtrank/kernels/row_ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/random_tensors.h"
#include "kernels/vector_kernels.h"

namespace thoughtrank {
namespace {

at::Tensor reference_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kDouble);
  return wide * (wide.square().mean(-1, /*keepdim=*/true) + eps).rsqrt() * weight;
}

TEST(RowOps, NormAddsTheResidualAndScales) {
  for (const int64_t C : {4, 16, 50, 576}) {
    const at::Tensor x = random_tensor({6, C}, 1), delta = random_tensor({6, C}, 2);
    const at::Tensor weight = random_tensor({C}, 3);
    const at::Tensor sum = x + delta;
    const at::Tensor expected = reference_norm(sum, weight, 1e-5);
    at::Tensor out = at::empty({6, C}), narrow = at::empty({6, C}, at::kBFloat16);
    add_rms_norm(x, delta, weight, 1e-5, out);
    EXPECT_TRUE(at::equal(x, sum));
    EXPECT_TRUE(at::allclose(out.to(at::kDouble), expected, 1e-5, 1e-6)) << C;
    add_rms_norm(x, at::Tensor(), weight, 1e-5, narrow);
    EXPECT_TRUE(at::equal(narrow, out.to(at::kBFloat16))) << C;
  }
}

TEST(RowOps, SiluTimesUp) {
  for (const int64_t F : {6, 32, 1537}) {
    const at::Tensor gate_up = random_tensor({5, 2 * F}, 1) * 20;
    const at::Tensor expected = at::silu(gate_up.narrow(1, 0, F)) * gate_up.narrow(1, F, F);
    at::Tensor out = at::empty({5, F}), narrow = at::empty({5, F}, at::kBFloat16);
    silu_mul(gate_up, out);
    EXPECT_TRUE(at::allclose(out, expected, 1e-5, 1e-6)) << F;
    silu_mul(gate_up, narrow);
    EXPECT_TRUE(at::equal(narrow, out.to(at::kBFloat16))) << F;
  }
}

TEST(RowOps, NotANumberPassesThrough) {
  at::Tensor gate_up = at::ones({1, 64});
  gate_up[0][3] = std::numeric_limits<float>::quiet_NaN();
  at::Tensor out = at::empty({1, 32}, at::kBFloat16);
  silu_mul(gate_up, out);
  EXPECT_TRUE(at::isnan(out[0][3]).item<bool>());
  EXPECT_FALSE(at::isnan(out[0][4]).item<bool>());
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
