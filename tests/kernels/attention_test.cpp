#include "thoughtrank/kernels/attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/random_tensors.h"
#include "thoughtrank/kernels/packed_linear.h"

namespace thoughtrank {
namespace {

constexpr int64_t kH = 6, kK = 2, kLayers = 2;

struct Setup {
  at::ScalarType dtype;
  int64_t D;
};

AttentionShape shape_of(const Setup& setup) {
  return {.heads = kH,
          .kv = {.layers = kLayers, .kv_heads = kK, .head_dim = setup.D, .dtype = setup.dtype}};
}

struct Rope {
  at::Tensor cos, sin;  // (positions, D)
};

Rope rope(int64_t positions, int64_t D) {
  const at::Tensor frequencies = at::pow(10000.0, -at::arange(0, D, 2, at::kFloat) / double(D));
  const at::Tensor angles = at::outer(at::arange(positions, at::kFloat), frequencies);
  const at::Tensor both = at::cat({angles, angles}, -1);
  return {both.cos(), both.sin()};
}

at::Tensor rotated(const at::Tensor& x, const Rope& table) {  // x (T, heads, D)
  const int64_t T = x.size(0), half = x.size(2) / 2;
  const at::Tensor turned = at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1);
  return x * table.cos.narrow(0, 0, T).unsqueeze(1) +
         turned * table.sin.narrow(0, 0, T).unsqueeze(1);
}

// Causal attention of one text in double precision: qkv (T, (H + 2·K)·D) -> (T, H·D).
at::Tensor reference(const at::Tensor& qkv, int64_t D) {
  const int64_t T = qkv.size(0);
  const Rope table = rope(T, D);
  const at::Tensor heads = qkv.view({T, kH + 2 * kK, D});
  const at::Tensor q = rotated(heads.narrow(1, 0, kH), table).to(at::kDouble);
  const at::Tensor k = rotated(heads.narrow(1, kH, kK), table).to(at::kDouble);
  const at::Tensor v = heads.narrow(1, kH + kK, kK).to(at::kDouble);
  const at::Tensor keys = k.repeat_interleave(kH / kK, 1), values = v.repeat_interleave(kH / kK, 1);
  at::Tensor scores = at::einsum("thd,shd->hts", {q, keys}) / std::sqrt(double(D));
  scores = scores.masked_fill(at::ones({T, T}, at::kBool).triu(1), -INFINITY);
  return at::einsum("hts,shd->thd", {scores.softmax(-1), values}).reshape({T, kH * D});
}

// Runs one batch through layer 1 (layer 0 gets the same, to see that layers do not mix).
at::Tensor run(Attention& attention,
               const Setup& setup,
               const AttentionBatch& batch,
               const at::Tensor& qkv) {
  const Rope table = rope(512, setup.D);
  at::Tensor out = at::empty({batch.rows, kH * setup.D}, activation_dtype(setup.dtype));
  ThreadPool pool(2);
  attention.begin(batch);
  attention.apply(pool, 0, random_tensor({batch.rows, qkv.size(1)}, 99), table.cos, table.sin, out);
  attention.apply(pool, 1, qkv.contiguous(), table.cos, table.sin, out);
  return out;
}

at::Tensor random_qkv(const Setup& setup, int64_t T, uint64_t seed) {
  return random_tensor({T, (kH + 2 * kK) * setup.D}, seed);
}

class AttentionOf : public testing::TestWithParam<Setup> {
 protected:
  void expect_close(const at::Tensor& found, const at::Tensor& expected) const {
    const double tolerance = GetParam().dtype == at::kFloat ? 1e-5 : 4e-2;
    EXPECT_LT((found.to(at::kDouble) - expected).abs().max().item<double>(), tolerance);
  }
};

TEST_P(AttentionOf, ChunksOfOneTextEqualTheWhole) {
  const int64_t T = 150;
  KvPool pool(shape_of(GetParam()).kv);
  KvSequence sequence(pool);
  Attention attention(shape_of(GetParam()), 100);
  const at::Tensor qkv = random_qkv(GetParam(), T, 1);
  std::vector<at::Tensor> parts;
  for (const int64_t rows : {1, 70, 2, 63, 1, 13}) {
    const int64_t first = sequence.length();
    const AttentionBatch batch{
        .rows = rows, .prefixes = {}, .sequences = {{&sequence, 0, rows, first}}};
    parts.push_back(run(attention, GetParam(), batch, qkv.narrow(0, first, rows)));
  }
  expect_close(at::cat(parts), reference(qkv, GetParam().D));
}

// Several branches after one prefix, of different lengths, several tokens at once.
TEST_P(AttentionOf, BranchesOverASharedPrefixEqualWholeTexts) {
  const int64_t P = 67;
  KvPool pool(shape_of(GetParam()).kv);
  KvSequence prefix(pool);
  Attention attention(shape_of(GetParam()), 80);
  const at::Tensor shared = random_qkv(GetParam(), P, 1);
  run(attention,
      GetParam(),
      {.rows = P, .prefixes = {}, .sequences = {{&prefix, 0, P, 0}}},
      shared);
  std::vector<KvSequence> branches;
  AttentionBatch batch{.rows = 0, .prefixes = {{&prefix, 0, 0}}, .sequences = {}};
  std::vector<at::Tensor> tokens;
  for (int64_t b = 0; b < 9; ++b) branches.emplace_back(pool, P % kPageTokens);
  for (int64_t b = 0; b < 9; ++b) {
    const int64_t rows = 1 + b * 3 % 7;
    batch.sequences.push_back({&branches[static_cast<size_t>(b)], batch.rows, rows, P});
    tokens.push_back(random_qkv(GetParam(), rows, 10 + static_cast<uint64_t>(b)));
    batch.rows += rows;
  }
  batch.prefixes[0].rows = batch.rows;
  const at::Tensor out = run(attention, GetParam(), batch, at::cat(tokens));
  for (size_t b = 0; b < 9; ++b) {
    const SequenceRun& branch = batch.sequences[b];
    const at::Tensor whole = reference(at::cat({shared, tokens[b]}), GetParam().D);
    expect_close(out.narrow(0, branch.first_row, branch.rows), whole.narrow(0, P, branch.rows));
  }
}

// Tokens after a shared prefix and in one sequence with it: bitwise equal, wherever the prefix ends
// in its page.
TEST_P(AttentionOf, SharedEqualsCopiedPrefix) {
  const AttentionShape shape = shape_of(GetParam());
  for (const int64_t P : {1, 31, 63, 64, 100, 129, 191}) {
    KvPool pool(shape.kv);
    Attention attention(shape, 300);
    const at::Tensor qkv = random_qkv(GetParam(), P + 70, 1);
    KvSequence whole(pool), prefix(pool), branch(pool, P % kPageTokens);
    run(attention, GetParam(), {P, {}, {{&prefix, 0, P, 0}}}, qkv.narrow(0, 0, P));
    const AttentionBatch at_once{P + 70, {}, {{&whole, 0, P + 70, 0}}};
    const at::Tensor expected = run(attention, GetParam(), at_once, qkv).narrow(0, P, 70);
    std::vector<at::Tensor> parts;
    for (const int64_t rows : {1, 2, 64, 3}) {
      const int64_t first = P + branch.length();
      const AttentionBatch batch{rows, {{&prefix, 0, rows}}, {{&branch, 0, rows, first}}};
      parts.push_back(run(attention, GetParam(), batch, qkv.narrow(0, first, rows)));
    }
    const at::Tensor found = at::cat(parts);
    const double difference =
        (found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
    EXPECT_EQ(difference, 0) << P;
  }
}

// The same branch alone and among others that read another prefix: bitwise equal.
TEST_P(AttentionOf, NeighboursChangeNoBit) {
  KvPool pool(shape_of(GetParam()).kv);
  Attention attention(shape_of(GetParam()), 100);
  const auto prefix_of = [&](uint64_t seed, int64_t P) {
    KvSequence prefix(pool);
    run(attention,
        GetParam(),
        {.rows = P, .prefixes = {}, .sequences = {{&prefix, 0, P, 0}}},
        random_qkv(GetParam(), P, seed));
    return prefix;
  };
  const KvSequence first = prefix_of(1, 65), second = prefix_of(2, 31);
  const at::Tensor token = random_qkv(GetParam(), 1, 3);
  std::vector<KvSequence> branches;
  for (int i = 0; i < 31; ++i) branches.emplace_back(pool, i < 21 || i == 30 ? 1 : 31);
  const at::Tensor alone =
      run(attention,
          GetParam(),
          {.rows = 1, .prefixes = {{&first, 0, 1}}, .sequences = {{&branches[30], 0, 1, 65}}},
          token);
  AttentionBatch batch{
      .rows = 30, .prefixes = {{&first, 0, 21}, {&second, 21, 9}}, .sequences = {}};
  for (int64_t i = 0; i < 30; ++i) {
    batch.sequences.push_back({&branches[static_cast<size_t>(i)], i, 1, i < 21 ? 65 : 31});
  }
  at::Tensor rows = random_qkv(GetParam(), 30, 4) * 3;
  rows[0].fill_(std::numeric_limits<float>::quiet_NaN());
  rows[17].copy_(token[0]);
  EXPECT_TRUE(at::equal(run(attention, GetParam(), batch, rows)[17], alone[0]));
}

// A page that held NaN and is used again gives the numbers of a fresh one.
TEST_P(AttentionOf, ReusedPagesLeaveNoTrace) {
  KvPool pool(shape_of(GetParam()).kv);
  Attention attention(shape_of(GetParam()), 64);
  const at::Tensor qkv = random_qkv(GetParam(), 5, 1);
  const auto run_once = [&](const at::Tensor& rows) {
    KvSequence sequence(pool);
    const AttentionBatch batch{
        .rows = rows.size(0), .prefixes = {}, .sequences = {{&sequence, 0, rows.size(0), 0}}};
    return run(attention, GetParam(), batch, rows);
  };
  const at::Tensor fresh = run_once(qkv);
  run_once(at::full({64, qkv.size(1)}, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_TRUE(at::equal(run_once(qkv), fresh));
  EXPECT_EQ(pool.pages_in_use(), 0);
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         AttentionOf,
                         testing::Values(Setup{at::kFloat, 64},
                                         Setup{at::kFloat, 8},
                                         Setup{at::kFloat, 80},
                                         Setup{at::kBFloat16, 64},
                                         Setup{at::kBFloat16, 10}),
                         [](const auto& setup) {
                           return std::string(at::toString(setup.param.dtype)) +
                                  std::to_string(setup.param.D);
                         });

}  // namespace
}  // namespace thoughtrank
