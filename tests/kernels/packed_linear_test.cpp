#include "thoughtrank/kernels/packed_linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/packed.h"
#include "kernels/random_tensors.h"
#include "kernels/vector/vector_kernels.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

at::Tensor applied(const PackedLinear& linear, const at::Tensor& x, int64_t threads = 2) {
  ThreadPool pool(threads);
  const at::Tensor out = at::empty({x.size(0), linear.out_features()}, at::kFloat);
  linear.apply(pool, x, out);
  return out;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

class PackedLinearOf : public testing::TestWithParam<at::ScalarType> {};

TEST_P(PackedLinearOf, EqualsLinearForOddSizes) {
  for (const auto& [M, C, N] :
       std::vector<std::array<int64_t, 3>>{{1, 2, 1}, {7, 30, 33}, {62, 576, 960}, {64, 50, 97}}) {
    const at::Tensor x = random_tensor({M, C}, 1).to(GetParam()).to(activation_dtype(GetParam()));
    const at::Tensor w = random_tensor({N, C}, 2).to(GetParam());
    const at::Tensor expected = at::linear(x.to(at::kDouble), w.to(at::kDouble));
    const double tolerance = 1e-6 * static_cast<double>(C);
    EXPECT_LT(largest_difference(applied(packed({w}), x), expected), tolerance)
        << M << " " << C << " " << N;
  }
}

TEST_P(PackedLinearOf, StacksSeveralWeights) {
  const at::Tensor x = random_tensor({5, 16}, 1).to(GetParam()).to(activation_dtype(GetParam()));
  const at::Tensor a = random_tensor({7, 16}, 2).to(GetParam());
  const at::Tensor b = random_tensor({40, 16}, 3).to(GetParam());
  EXPECT_TRUE(at::equal(applied(packed({a, b}), x), applied(packed({at::cat({a, b})}), x)));
}

TEST_P(PackedLinearOf, GivesItsRowsBack) {
  const at::Tensor a = random_tensor({40, 18}, 1).to(GetParam());
  const at::Tensor b = random_tensor({30, 18}, 2).to(GetParam());
  at::Tensor rows = at::empty({4, 18});
  packed({a, b}).unpack_rows({69, 0, 33, 40}, rows);
  const at::Tensor expected = at::cat({a, b}).index_select(0, at::tensor({69, 0, 33, 40}));
  EXPECT_TRUE(at::equal(rows, expected.to(at::kFloat)));
}

TEST_P(PackedLinearOf, RowIsBitwiseTheSameWhereverItStands) {
  const at::Tensor w = random_tensor({70, 128}, 2).to(GetParam());
  const PackedLinear linear = packed({w});
  const at::Tensor x = random_tensor({64, 128}, 1).to(GetParam()).to(activation_dtype(GetParam()));
  const at::Tensor all = applied(linear, x);
  const at::Tensor order = at::arange(63, -1, -1);
  EXPECT_TRUE(at::equal(applied(linear, x.index_select(0, order)), all.index_select(0, order)));
  for (int64_t m = 1; m < 64; m += 5) {
    EXPECT_TRUE(
        at::equal(applied(linear, x.narrow(0, 64 - m, m).contiguous()), all.narrow(0, 64 - m, m)))
        << m;
  }
}

TEST_P(PackedLinearOf, ThreadCountChangesNothing) {
  const at::Tensor x = random_tensor({62, 64}, 1).to(GetParam()).to(activation_dtype(GetParam()));
  const PackedLinear linear = packed({random_tensor({200, 64}, 2).to(GetParam())});
  EXPECT_TRUE(at::equal(applied(linear, x, 1), applied(linear, x, 3)));
}

TEST_P(PackedLinearOf, PanelsAreColumnsOfTheWhole) {
  const at::Tensor x = random_tensor({9, 32}, 1).to(GetParam()).to(activation_dtype(GetParam()));
  const PackedLinear linear = packed({random_tensor({100, 32}, 2).to(GetParam())});
  at::Tensor last = at::empty({9, 64}, at::kFloat);
  linear.apply_panels(x, 2, 2, last.mutable_data_ptr<float>());
  EXPECT_TRUE(at::equal(last.narrow(1, 0, 36), applied(linear, x).narrow(1, 64, 36)));
  EXPECT_EQ(last.narrow(1, 36, 28).abs().max().item<float>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Types,
                         PackedLinearOf,
                         testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return at::toString(type.param); });

TEST_P(PackedLinearOf, GatedSiluEqualsItsParts) {
  const at::ScalarType rows = activation_dtype(GetParam());
  const at::Tensor x = random_tensor({15, 32}, 1).to(GetParam()).to(rows);
  const PackedLinear gate = packed({random_tensor({70, 32}, 2).to(GetParam())});
  const PackedLinear up = packed({random_tensor({70, 32}, 3).to(GetParam())});
  const at::Tensor out = at::empty({15, 70}, rows);
  ThreadPool pool(2);
  apply_gated(pool, gate, up, x, out);
  const at::Tensor expected = (at::silu(applied(gate, x)) * applied(up, x)).to(rows);
  EXPECT_TRUE(at::allclose(out, expected, rows == at::kFloat ? 1e-5 : 1e-2, 1e-6));
}

TEST(PackedLinear, RefusesWhatItCannotPack) {
  EXPECT_THROW(packed({at::zeros({4, 4}, at::kDouble)}), Error);
  EXPECT_THROW(packed({at::zeros({4, 3}, at::kBFloat16)}), Error);
  EXPECT_THROW(packed({at::zeros({4, 4}), at::zeros({4, 5})}), Error);
}

// Every instruction set of this machine computes a tile as the portable one does.
template <class Row, class Panel>
void compare_tiles(at::ScalarType row_type, at::ScalarType panel_type) {
  const int64_t depth = 50;
  const at::Tensor a = random_tensor({kMostRows, depth}, 1).to(row_type);
  const at::Tensor panel = random_tensor({depth * kPanel}, 2).to(panel_type);
  const at::Tensor start = random_tensor({kMostRows, kPanel}, 3);
  const auto run = [&](InstructionSet set, int64_t rows) {
    const auto& kernels = vector_kernels(set).tiles<Row, Panel>();
    at::Tensor c = start.clone();
    for (int64_t first = 0; first < kMostRows; first += rows) {
      const int64_t now = std::min(rows, kMostRows - first);
      kernels.by_rows[static_cast<size_t>(now)](
          {.a = static_cast<const Row*>(a.const_data_ptr()) + first * depth,
           .a_stride = depth,
           .panel = static_cast<const Panel*>(panel.const_data_ptr()),
           .depth = depth,
           .c = c.mutable_data_ptr<float>() + first * kPanel,
           .c_stride = kPanel,
           .accumulates = true});
    }
    return c;
  };
  const at::Tensor wide = panel.view({depth / 2, kPanel, 2}).transpose(1, 2);
  const at::Tensor matrix = panel_type == at::kFloat ? panel : wide.reshape({-1});
  const at::Tensor expected =
      at::matmul(a.to(at::kDouble), matrix.to(at::kDouble).view({depth, kPanel})) + start;
  for (const auto set : supported_instruction_sets()) {
    const int64_t most = vector_kernels(set).tiles<Row, Panel>().most_rows;
    if (most == 0) continue;
    const at::Tensor alone = run(set, 1);
    EXPECT_LT(largest_difference(alone, expected), 2e-5);
    for (int64_t rows = 2; rows <= most; ++rows) EXPECT_TRUE(at::equal(run(set, rows), alone));
  }
}

TEST(VectorKernels, TilesOfAllInstructionSetsMultiply) {
  compare_tiles<float, float>(at::kFloat, at::kFloat);
  compare_tiles<float, Bf16>(at::kFloat, at::kBFloat16);
  compare_tiles<Bf16, Bf16>(at::kBFloat16, at::kBFloat16);
}

TEST(VectorKernels, PanelsThatAreKeptWidenedGiveTheSameBits) {
  const int64_t depth = 38;
  const at::Tensor a = random_tensor({3, depth}, 1);
  const at::Tensor panel = random_tensor({depth * kPanel}, 2).to(at::kBFloat16);
  for (const auto set : supported_instruction_sets()) {
    const VectorKernels& kernels = vector_kernels(set);
    const auto sums = [&](const auto& tiles, const auto* from, float* wide) {
      std::vector<float> c(3 * kPanel);
      tiles.by_rows[3]({.a = a.const_data_ptr<float>(),
                        .a_stride = depth,
                        .panel = from,
                        .depth = depth,
                        .c = c.data(),
                        .c_stride = kPanel,
                        .wide = wide});
      return c;
    };
    const Bf16* narrow = static_cast<const Bf16*>(panel.const_data_ptr());
    std::vector<float> wide(static_cast<size_t>(depth * kPanel));
    const auto expected = sums(kernels.widening_tiles, narrow, nullptr);
    EXPECT_EQ(sums(kernels.widening_tiles, narrow, wide.data()), expected);
    EXPECT_EQ(sums(kernels.f32_tiles, wide.data(), nullptr), expected);
  }
}

}  // namespace
}  // namespace thoughtrank
