// Each operation's forward and backward pass against PyTorch's autograd, in both types.
#include "thoughtrank/kernels/training_ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "thoughtrank/kernels/linear.h"

namespace thoughtrank {
namespace {

class TrainingOps : public testing::TestWithParam<at::ScalarType> {
 protected:
  TrainingOps() { at::manual_seed(7); }
  // Of the type under test; the reference computes in float64 from the same values.
  [[nodiscard]] static at::Tensor random(at::IntArrayRef sizes) {
    return at::randn(sizes, at::kFloat).to(GetParam());
  }
  // float32 sums, or one rounding to bfloat16 (2^-8) and a little more.
  [[nodiscard]] static double tolerance() { return GetParam() == at::kFloat ? 2e-6 : 5e-3; }

  static void expect_near(const at::Tensor& found, const at::Tensor& expected) {
    const double scale = expected.abs().max().item<double>();
    const double error = (found.to(at::kDouble) - expected).abs().max().item<double>();
    EXPECT_LE(error, tolerance() * scale) << "largest value " << scale;
  }
};

at::Tensor leaf(const at::Tensor& x) { return x.to(at::kDouble).detach().clone().requires_grad_(); }

constexpr double kEps = 1e-5;

at::Tensor plain_norm(const at::Tensor& x, const at::Tensor& weight) {
  return x * at::rsqrt(x.square().mean(1, true) + kEps) * weight;
}

TEST_P(TrainingOps, RmsNorm) {
  for (const int64_t width : {8, 50, 576}) {
    const at::Tensor x = random({70, width}), weight = random({width}), d_y = random({70, width});
    const at::Tensor x0 = leaf(x), weight0 = leaf(weight), y0 = plain_norm(x0, weight0);
    y0.backward(d_y.to(at::kDouble));
    const at::Tensor scale = inverse_rms(x, kEps);
    expect_near(scale_rows(x, scale, weight), y0.detach());
    const at::Tensor d_x = at::ones_like(x), d_weight = at::full_like(weight, 2);
    add_rms_norm_gradients(d_y, x, scale, weight, {.d_x = d_x, .d_weight = d_weight});
    expect_near(d_x, x0.grad() + 1);
    expect_near(d_weight, weight0.grad() + 2);
  }
}

TEST_P(TrainingOps, RotationAndItsInverse) {
  const int64_t T = 40, D = 16;
  const at::Tensor angles = at::randn({T, D / 2});
  const Rotation turn = {.cos = at::cat({angles.cos(), angles.cos()}, 1),
                         .sin = at::cat({angles.sin(), angles.sin()}, 1),
                         .heads = 3,
                         .is_inverse = false};
  const at::Tensor before = random({T, 5, D}), x = before.clone();
  rotate_heads(x, turn);
  const at::Tensor x0 = before.narrow(1, 0, 3).to(at::kDouble);
  const auto halves = x0.chunk(2, 2);
  expect_near(
      x.narrow(1, 0, 3),
      x0 * turn.cos.unsqueeze(1) + at::cat({-halves[1], halves[0]}, 2) * turn.sin.unsqueeze(1));
  EXPECT_TRUE(at::equal(x.narrow(1, 3, 2), before.narrow(1, 3, 2)));
  // An orthogonal map: its transpose, the gradient, is its inverse.
  rotate_heads(x, {.cos = turn.cos, .sin = turn.sin, .heads = 3, .is_inverse = true});
  expect_near(x, before.to(at::kDouble));
}

TEST_P(TrainingOps, GatedActivation) {
  for (const int64_t F : {5, 1536}) {
    const at::Tensor gate_up = random({33, 2 * F}).mul(4), d_y = random({33, F});
    const at::Tensor in = leaf(gate_up);
    const at::Tensor y0 = at::silu(in.narrow(1, 0, F)) * in.narrow(1, F, F);
    y0.backward(d_y.to(at::kDouble));
    const at::Tensor y = gated_activation(gate_up);
    expect_near(y, y0.detach());
    EXPECT_TRUE(at::equal(gated_activation_gradient(d_y, gate_up), y));
    expect_near(gate_up, in.grad());
  }
}

TEST_P(TrainingOps, CrossEntropy) {
  const int64_t N = 37, V = 1001;
  const at::Tensor logits = random({N, V}).mul(5), targets = at::randint(V, {N}, at::kLong);
  at::Tensor weights = at::rand({N});
  weights[3] = 0;
  const at::Tensor in = leaf(logits);
  const at::Tensor losses0 = at::cross_entropy_loss(in, targets, {}, at::Reduction::None) * weights;
  losses0.sum().backward();
  const at::Tensor kept = logits.clone();
  const at::Tensor without = cross_entropy_rows(kept, targets, weights, /*wants_gradient=*/false);
  EXPECT_TRUE(at::equal(kept, logits));
  const at::Tensor losses = cross_entropy_rows(logits, targets, weights, /*wants_gradient=*/true);
  EXPECT_TRUE(at::equal(losses, without));
  EXPECT_LE((losses.to(at::kDouble) - losses0).abs().max().item<double>(), 2e-5);
  expect_near(logits, in.grad());
}

TEST_P(TrainingOps, WhatIsNoNumberStaysNone) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const at::Tensor logits = random({2, 50});
    logits[1][7] = bad;
    const at::Tensor targets = at::zeros({2}, at::kLong), weights = at::ones({2});
    const at::Tensor losses = cross_entropy_rows(logits, targets, weights, true);
    EXPECT_TRUE(at::isfinite(losses[0]).item<bool>());
    EXPECT_FALSE(at::isfinite(losses[1]).item<bool>());
    const at::Tensor x = random({2, 50});
    x[1][7] = bad;
    const at::Tensor y = scale_rows(x, inverse_rms(x, kEps), at::ones({50}));
    EXPECT_TRUE(at::isfinite(y[0]).all().item<bool>());
    EXPECT_FALSE(at::isfinite(y[1]).all().item<bool>());
    const at::Tensor gated = gated_activation(x);
    EXPECT_FALSE(at::isfinite(gated[1]).all().item<bool>());
  }
}

TEST_P(TrainingOps, LinearAndItsGradients) {
  for (const at::ScalarType stored : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = random({24, 32}), d_y = random({24, 48}), residual = random({24, 48});
    const at::Tensor all = at::randn({48, 32}).to(stored), all_gradients = at::ones_like(all);
    const at::Tensor first = all.narrow(0, 0, 16), second = all.narrow(0, 16, 32);
    first.mutable_grad() = all_gradients.narrow(0, 0, 16);
    second.mutable_grad() = all_gradients.narrow(0, 16, 32);
    const at::Tensor weight = stack_weights({first, second});
    EXPECT_EQ(weight.const_data_ptr(), all.const_data_ptr());
    const at::Tensor x0 = leaf(x), weight0 = leaf(all);
    const at::Tensor y0 = at::mm(x0, weight0.t()) + residual.to(at::kDouble);
    y0.backward(d_y.to(at::kDouble));
    expect_near(apply_linear(x, weight, residual), y0.detach());
    expect_near(linear_input_gradient(d_y, weight), x0.grad());
    add_linear_weight_gradient(d_y, x, {first, second});
    const double scale = weight0.grad().abs().max().item<double>();
    const double error =
        (all_gradients.to(at::kDouble) - weight0.grad() - 1).abs().max().item<double>();
    EXPECT_LE(error, (stored == at::kFloat ? tolerance() : 5e-3) * scale);
  }
}

TEST_P(TrainingOps, WeightsThatLieApartMultiplyAsOneToo) {
  const at::Tensor first = random({16, 32}), second = random({8, 32}), x = random({5, 32});
  first.mutable_grad() = at::zeros_like(first);
  second.mutable_grad() = at::zeros_like(second);
  EXPECT_TRUE(at::equal(stack_weights({first, second}), at::cat({first, second})));
  const at::Tensor d_y = random({5, 24});
  add_linear_weight_gradient(d_y, x, {first, second});
  expect_near(at::cat({first.grad(), second.grad()}),
              at::mm(d_y.to(at::kDouble).t(), x.to(at::kDouble)));
}

TEST_P(TrainingOps, AddInPlaceRoundsOnce) {
  const at::Tensor source = at::randn({9000}), target = random({9000});
  const at::Tensor expected = (target.to(at::kFloat) + source).to(GetParam());
  add_in_place(target, source);
  EXPECT_TRUE(at::equal(target, expected));
}

TEST_P(TrainingOps, NormOfAllElements) {
  for (const int64_t size : {1, 4096, 50'000}) {
    const at::Tensor x = random({size});
    EXPECT_NEAR(norm_of(x) / x.to(at::kDouble).norm().item<double>(), 1, 1e-6);
    x[size / 2] = std::numeric_limits<double>::infinity();
    EXPECT_FALSE(std::isfinite(norm_of(x)));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, TrainingOps, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace thoughtrank
