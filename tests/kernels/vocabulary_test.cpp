#include "thoughtrank/kernels/vocabulary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "kernels/packed.h"
#include "kernels/random_tensors.h"
#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {
namespace {

TEST(Vocabulary, EqualsLogSoftmaxAndTopTwo) {
  for (const int64_t V : {3, 31, 1024, 2500}) {
    const at::Tensor hidden = random_tensor({15, 32}, 1), w = random_tensor({V, 32}, 2);
    const PackedLinear lm_head = packed({w});
    at::Tensor logits = at::empty({15, V});
    ThreadPool pool(2);
    lm_head.apply(pool, hidden, logits);
    const std::vector<int64_t> wanted(15, V - 1);
    const auto rows = read_vocabulary(pool, lm_head, hidden, wanted);
    const auto [top, ids] = logits.topk(2);
    for (int64_t m = 0; m < 15; ++m) {
      const VocabularyRow& row = rows[static_cast<size_t>(m)];
      EXPECT_EQ(row.best_id, ids[m][0].item<int64_t>());
      EXPECT_EQ(row.best_logit, top[m][0].item<float>());
      EXPECT_EQ(row.second_logit, top[m][1].item<float>());
      EXPECT_EQ(row.wanted_logit, logits[m][V - 1].item<float>());
      const double expected = logits[m].to(at::kDouble).logsumexp(0).item<double>();
      EXPECT_NEAR(row.log_sum_exp, expected, 1e-5);
      EXPECT_TRUE(row.is_finite);
    }
  }
}

TEST(Vocabulary, LowestIdWinsTies) {
  // Tokens 40, 1100 and 1101 have the same weights, the highest logit.
  at::Tensor w = at::zeros({2100, 2});
  for (const int64_t id : {40, 1100, 1101}) w[id][0] = 1;
  ThreadPool pool(2);
  const auto rows = read_vocabulary(pool, packed({w}), at::ones({1, 2}), {});
  EXPECT_EQ(rows[0].best_id, 40);
  EXPECT_EQ(rows[0].best_logit, rows[0].second_logit);
}

TEST(Vocabulary, NonFiniteLogitsMarkTheirRowOnly) {
  at::Tensor hidden = random_tensor({4, 8}, 1);
  hidden[1][2] = std::numeric_limits<float>::quiet_NaN();
  hidden[3][0] = std::numeric_limits<float>::infinity();
  ThreadPool pool(2);
  const auto rows = read_vocabulary(pool, packed({random_tensor({1500, 8}, 2)}), hidden, {});
  EXPECT_TRUE(rows[0].is_finite);
  EXPECT_FALSE(rows[1].is_finite);
  EXPECT_TRUE(rows[2].is_finite);
  EXPECT_FALSE(rows[3].is_finite);
}

TEST(Vocabulary, RowIsBitwiseTheSameForAnyRowsAndThreads) {
  const PackedLinear lm_head = packed({random_tensor({3000, 16}, 2)});
  const at::Tensor hidden = random_tensor({20, 16}, 1);
  ThreadPool one(1), three(3);
  const auto all = read_vocabulary(three, lm_head, hidden, {});
  for (int64_t m = 0; m < 20; ++m) {
    const auto alone = read_vocabulary(one, lm_head, hidden.narrow(0, m, 1), {});
    EXPECT_EQ(alone[0].best_logit, all[static_cast<size_t>(m)].best_logit);
    EXPECT_EQ(alone[0].log_sum_exp, all[static_cast<size_t>(m)].log_sum_exp);
  }
}

TEST(VectorKernels, SummariesAgreeBetweenInstructionSets) {
  const at::Tensor logits = random_tensor({1003}, 5) * 10;
  const float* x = logits.const_data_ptr<float>();
  const LogitsSummary expected = portable_kernels().summarize(x, 1003);
  for (const auto set : supported_instruction_sets()) {
    const LogitsSummary summary = vector_kernels(set).summarize(x, 1003);
    EXPECT_EQ(summary.best_id, expected.best_id);
    EXPECT_EQ(summary.best, expected.best);
    EXPECT_EQ(summary.second, expected.second);
    EXPECT_NEAR(summary.sum, expected.sum, 1e-5 * expected.sum);
    EXPECT_TRUE(summary.is_finite);
  }
}

}  // namespace
}  // namespace thoughtrank
