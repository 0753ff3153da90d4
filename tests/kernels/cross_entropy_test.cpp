#include "thoughtrank/kernels/cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

constexpr int64_t kRows = 13, kWidth = 24, kVocab = 101;

CrossEntropyRows make_rows(at::ScalarType dtype, bool requires_grad) {
  const auto wave = [](int64_t n, double step) {
    return at::sin(at::arange(n, at::kDouble) * step);
  };
  CrossEntropyRows rows;
  rows.hidden = (wave(kRows * kWidth, 0.7) * 2).view({kRows, kWidth}).to(dtype);
  rows.lm_head = wave(kVocab * kWidth, 1.3).view({kVocab, kWidth}).to(dtype);
  rows.targets = at::arange(kRows, at::kLong) * 7 % kVocab;
  rows.weights = at::arange(1, kRows + 1, at::kFloat) / 10;
  rows.hidden.set_requires_grad(requires_grad);
  rows.lm_head.set_requires_grad(requires_grad);
  return rows;
}

// PyTorch's own cross-entropy over whole logits, in float64.
at::Tensor whole_loss(const CrossEntropyRows& rows) {
  const at::Tensor logits = at::linear(rows.hidden.to(at::kDouble), rows.lm_head.to(at::kDouble));
  const at::Tensor losses = at::cross_entropy_loss(logits, rows.targets, {}, at::Reduction::None);
  return (losses * rows.weights.to(at::kDouble)).sum();
}

double relative_difference(const at::Tensor& ours, const at::Tensor& exact) {
  const at::Tensor difference = (ours.to(at::kDouble) - exact.to(at::kDouble)).norm();
  return (difference / exact.to(at::kDouble).norm()).item<double>();
}

struct Case {
  at::ScalarType dtype;
  int64_t chunk_rows;
  double tolerance;  // relative, of loss and gradients
};

class LinearCrossEntropyCases : public testing::TestWithParam<Case> {};

TEST_P(LinearCrossEntropyCases, EqualsWholeLogits) {
  const CrossEntropyRows ours = make_rows(GetParam().dtype, /*requires_grad=*/true);
  const CrossEntropyRows whole = make_rows(GetParam().dtype, /*requires_grad=*/true);
  const at::Tensor loss = linear_cross_entropy(ours, GetParam().chunk_rows);
  const at::Tensor expected = whole_loss(whole);
  EXPECT_LT(relative_difference(loss.detach(), expected.detach()), GetParam().tolerance);
  (loss * 3).backward();
  (expected * 3).backward();
  EXPECT_EQ(ours.hidden.grad().scalar_type(), GetParam().dtype);
  EXPECT_LT(relative_difference(ours.hidden.grad(), whole.hidden.grad()), GetParam().tolerance);
  EXPECT_LT(relative_difference(ours.lm_head.grad(), whole.lm_head.grad()), GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(Chunks,
                         LinearCrossEntropyCases,
                         testing::Values(Case{at::kFloat, 1, 2e-6},
                                         Case{at::kFloat, 4, 2e-6},
                                         Case{at::kFloat, 13, 2e-6},
                                         Case{at::kFloat, 1000, 2e-6},
                                         Case{at::kBFloat16, 4, 1e-2},
                                         Case{at::kBFloat16, 1000, 1e-2}));

TEST(LinearCrossEntropy, GivesTheSameLossWithoutGradients) {
  const CrossEntropyRows rows = make_rows(at::kFloat, /*requires_grad=*/true);
  const at::Tensor with = linear_cross_entropy(rows, 4);
  const at::NoGradGuard no_grad;
  const at::Tensor without = linear_cross_entropy(rows, 4);
  EXPECT_TRUE(with.requires_grad());
  EXPECT_FALSE(without.requires_grad());
  EXPECT_EQ(with.item<float>(), without.item<float>());
}

TEST(LinearCrossEntropy, RefusesASecondBackwardPass) {
  const CrossEntropyRows rows = make_rows(at::kFloat, /*requires_grad=*/true);
  const at::Tensor loss = linear_cross_entropy(rows, 4);
  loss.backward({}, /*retain_graph=*/true);
  EXPECT_ANY_THROW(loss.backward());
}

TEST(LinearCrossEntropy, RefusesRowsThatDoNotFit) {
  CrossEntropyRows rows = make_rows(at::kFloat, /*requires_grad=*/false);
  rows.targets = rows.targets.narrow(0, 0, kRows - 1);
  EXPECT_THROW((void)linear_cross_entropy(rows, 4), Error);
}

TEST(LinearCrossEntropy, ChunksAreBoundedByTheVocabulary) {
  EXPECT_EQ(default_chunk_rows(128'256), 130);
  EXPECT_EQ(default_chunk_rows(int64_t{1} << 40), 1);
}

}  // namespace
}  // namespace thoughtrank
