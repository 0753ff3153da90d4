// The innermost loops on every instruction set of this machine, against what they stand for in
// double precision.
#include "kernels/vector/vector_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

using Floats = std::vector<float>;

Floats random_floats(int64_t count, uint64_t seed, double scale = 1) {
  RandomStream stream(seed, "floats");
  Floats floats(static_cast<size_t>(count));
  for (float& x : floats) x = static_cast<float>(scale * stream.normal());
  return floats;
}

// To the nearest, ties to even.
Bf16 rounded(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<Bf16>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

class VectorKernelsOf : public testing::TestWithParam<InstructionSet> {
 protected:
  const VectorKernels& kernels_ = vector_kernels(GetParam());
};

// Softmax and its products of many pages, page by page with a running state.
TEST_P(VectorKernelsOf, PagesJoinInOneSoftmax) {
  for (const int64_t count : {1, 15, 16, 63, 64, 65, 130, 500}) {
    const Floats scores = random_floats(count + kPageTokens, 1, 8);
    std::vector<double> weights;
    SoftmaxState state{-std::numeric_limits<float>::infinity(), 0};
    for (int64_t first = 0; first < count; first += kPageTokens) {
      alignas(64) std::array<float, kPageTokens> page{};
      const int64_t here = std::min(kPageTokens, count - first);
      const float factor =
          kernels_.f32.softmax_page(scores.data() + first, here, page.data(), state);
      for (double& weight : weights) weight *= factor;
      for (int64_t i = 0; i < kPageTokens; ++i) {
        const float weight = page[static_cast<size_t>(i)];
        if (i < here) {
          weights.push_back(weight);
        } else {
          ASSERT_EQ(weight, 0) << count;
        }
      }
    }
    const double highest = *std::max_element(scores.begin(), scores.begin() + count);
    EXPECT_EQ(state.highest, static_cast<float>(highest));
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += std::exp(scores[static_cast<size_t>(i)] - highest);
    EXPECT_NEAR(state.sum / sum, 1, 1e-5) << count;
    for (int64_t i = 0; i < count; ++i) {
      const double expected = std::exp(scores[static_cast<size_t>(i)] - highest);
      ASSERT_NEAR(weights[static_cast<size_t>(i)], expected, 1e-5 * expected + 1e-12) << count;
    }
  }
}

TEST_P(VectorKernelsOf, APageOfLowerScoresLeavesTheStateWhereItIs) {
  alignas(64) std::array<float, kPageTokens> weights{};
  const Floats scores(kPageTokens, -200);
  SoftmaxState state{5, 3};
  EXPECT_EQ(kernels_.f32.softmax_page(scores.data(), kPageTokens, weights.data(), state), 1);
  EXPECT_EQ(state.highest, 5);
  EXPECT_EQ(state.sum, 3);
}

TEST_P(VectorKernelsOf, RotationTurnsPairsOfHalvesAndKeepsTheirLength) {
  for (const int64_t D : {2, 8, 30, 32, 64, 80, 128}) {
    const Floats x = random_floats(D, 1), angles = random_floats(D / 2, 2, 3);
    Floats cos, sin;
    for (const float angle : angles) {
      cos.push_back(std::cos(angle));
      sin.push_back(std::sin(angle));
    }
    cos.insert(cos.end(), cos.begin(), cos.end());
    sin.insert(sin.end(), sin.begin(), sin.end());
    Floats out(static_cast<size_t>(D));
    kernels_.f32.rotate(x.data(), cos.data(), sin.data(), 0.5F, out.data(), D);
    for (size_t i = 0; i < static_cast<size_t>(D / 2); ++i) {
      const size_t j = i + static_cast<size_t>(D / 2);
      EXPECT_NEAR(out[i], 0.5 * (x[i] * cos[i] - x[j] * sin[i]), 1e-6) << D;
      EXPECT_NEAR(out[j], 0.5 * (x[j] * cos[i] + x[i] * sin[i]), 1e-6) << D;
      EXPECT_NEAR(std::hypot(out[i], out[j]), 0.5 * std::hypot(x[i], x[j]), 1e-5) << D;
    }
  }
}

TEST_P(VectorKernelsOf, NarrowRowsAreTheWideOnesRoundedToTheNearest) {
  for (const int64_t n : {2, 16, 46, 576}) {
    const Floats x = random_floats(n, 1), y = random_floats(n, 2);
    Floats wide(static_cast<size_t>(n));
    std::vector<Bf16> narrow(static_cast<size_t>(n));
    const auto expect_rounded = [&](const char* what) {
      for (size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(narrow[i], rounded(wide[i])) << what << n;
    };
    kernels_.f32.scale_to(x.data(), 0.7F, wide.data(), n);
    kernels_.bf16.scale_to(x.data(), 0.7F, narrow.data(), n);
    expect_rounded("scale_to");
    kernels_.f32.rotate(x.data(), y.data(), y.data(), 0.3F, wide.data(), n);
    kernels_.bf16.rotate(x.data(), y.data(), y.data(), 0.3F, narrow.data(), n);
    expect_rounded("rotate");
    Floats first = x, second = x;
    kernels_.f32.rms_norm(first.data(), y.data(), y.data(), 1e-5F, wide.data(), n);
    kernels_.bf16.rms_norm(second.data(), y.data(), y.data(), 1e-5F, narrow.data(), n);
    expect_rounded("rms_norm");
    EXPECT_EQ(first, second);
  }
}

TEST_P(VectorKernelsOf, ScalingReachesTheLastElementAndNoFurther) {
  for (const int64_t n : {1, 15, 16, 17, 40}) {
    const Floats before = random_floats(n + 1, 6);
    Floats x = before;
    kernels_.scale(x.data(), -3, n);
    for (int64_t i = 0; i <= n; ++i) {
      const float factor = i < n ? -3 : 1;
      EXPECT_EQ(x[static_cast<size_t>(i)], factor * before[static_cast<size_t>(i)]) << n;
    }
  }
}

// Every number of rows, odd depths, rows that lie apart, on top of what is there.
TEST_P(VectorKernelsOf, TilesMultiplyForEveryNumberOfRows) {
  const auto& tiles = kernels_.f32_tiles;
  ASSERT_GE(tiles.most_rows, 1);
  for (int64_t rows = 1; rows <= tiles.most_rows; ++rows) {
    for (const int64_t depth : {1, 2, 7, 64}) {
      const int64_t a_stride = depth + 3, c_stride = kPanel + 5;
      const Floats a = random_floats(rows * a_stride, 1), panel = random_floats(depth * kPanel, 2);
      const Floats before = random_floats(rows * c_stride, 3);
      Floats c = before;
      Tile<float, float> tile = {.a = a.data(),
                                 .a_stride = a_stride,
                                 .panel = panel.data(),
                                 .depth = depth,
                                 .c = c.data(),
                                 .c_stride = c_stride,
                                 .accumulates = true};
      tiles.by_rows[static_cast<size_t>(rows)](tile);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t n = 0; n < c_stride; ++n) {
          const auto at = static_cast<size_t>(r * c_stride + n);
          double expected = before[at];
          for (int64_t k = 0; n < kPanel && k < depth; ++k) {
            expected += double{a[static_cast<size_t>(r * a_stride + k)]} *
                        panel[static_cast<size_t>(k * kPanel + n)];
          }
          ASSERT_NEAR(c[at], expected, 1e-4) << rows << " rows, depth " << depth;
        }
      }
    }
  }
}

TEST_P(VectorKernelsOf, SummariesFindBestSecondAndTheLowestIdOfTies) {
  for (const int64_t n : {1, 2, 15, 16, 17, 1000}) {
    Floats logits = random_floats(n, 4);
    LogitsSummary summary = kernels_.summarize(logits.data(), n);
    Floats sorted = logits;
    std::sort(sorted.rbegin(), sorted.rend());
    EXPECT_EQ(summary.best, sorted[0]) << n;
    EXPECT_EQ(logits[static_cast<size_t>(summary.best_id)], sorted[0]) << n;
    if (n > 1) {
      EXPECT_EQ(summary.second, sorted[1]) << n;
    }
    const double sum = std::accumulate(logits.begin(), logits.end(), 0.0, [&](double s, float x) {
      return s + std::exp(double{x} - sorted[0]);
    });
    EXPECT_NEAR(summary.sum / sum, 1, 1e-5) << n;
    logits.assign(static_cast<size_t>(n), 2.5F);
    summary = kernels_.summarize(logits.data(), n);
    EXPECT_EQ(summary.best_id, 0) << n;
    EXPECT_NEAR(summary.sum, static_cast<double>(n), 1e-3) << n;
  }
}

TEST_P(VectorKernelsOf, OneValueThatIsNotFiniteIsSeenWhereverItStands) {
  for (const float bad : {std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    for (size_t place = 0; place < 37; ++place) {
      Floats logits = random_floats(37, 5);
      EXPECT_TRUE(kernels_.summarize(logits.data(), 37).is_finite);
      logits[place] = bad;
      EXPECT_FALSE(kernels_.summarize(logits.data(), 37).is_finite) << place;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets,
                         VectorKernelsOf,
                         testing::ValuesIn(supported_instruction_sets()),
                         [](const auto& set) { return std::string(name_of(set.param)); });

TEST(InstructionSets, ThePortableOneIsEverywhereAndTheChosenOneIsSupported) {
  const std::vector<InstructionSet> sets = supported_instruction_sets();
  ASSERT_FALSE(sets.empty());
  EXPECT_EQ(sets.front(), InstructionSet::portable);
  EXPECT_TRUE(is_supported(instruction_set()));
  EXPECT_TRUE(std::is_sorted(sets.begin(), sets.end()));  // each has all of the one before
  for (const InstructionSet set : sets) EXPECT_FALSE(name_of(set).empty());
}

}  // namespace
}  // namespace thoughtrank
