// Matrix tiles: the emulation against the CPU's own, bit for bit, and against what they stand for.
#include "thoughtrank/kernels/matrix_tiles.h"

#include <gtest/gtest.h>

#include <cmath>

#include "thoughtrank/core/random.h"
#include "thoughtrank/kernels/instruction_set.h"

namespace thoughtrank {
namespace {

using Narrow = std::array<uint16_t, kTileHeight * kTileDepth>;
using Sums = std::array<float, kTileHeight * kTileColumns>;

struct Operands {
  alignas(64) Narrow a, b;
  alignas(64) Sums c;
};

// c + a · b, of `rows` rows.
template <class Unit>
Sums product(const Operands& x, int64_t rows) {
  alignas(64) Sums sums = x.c;
  Unit unit(rows);
  unit.template load<0>(sums.data(), kTileRowBytes);
  unit.template load<4>(x.a.data(), kTileRowBytes);
  unit.template load<6>(x.b.data(), kTileRowBytes);
  unit.template multiply<0, 4, 6>();
  unit.template store<0>(sums.data(), kTileRowBytes);
  return sums;
}

// Numbers whose exponents lie in [lowest, lowest + count) of 0 (below the normal range) to 255 (no
// number).
struct Exponents {
  uint32_t lowest, count;
};
uint32_t bits_of(RandomStream& stream, const Exponents& exponents) {
  const uint32_t exponent = exponents.lowest + static_cast<uint32_t>(stream.below(exponents.count));
  return (static_cast<uint32_t>(stream.below(1U << 31)) << 1 & 0x807fffffU) | exponent << 23;
}

Operands random_operands(RandomStream& stream, const Exponents& factors, const Exponents& sums) {
  Operands x;
  for (uint16_t& each : x.a) each = static_cast<uint16_t>(bits_of(stream, factors) >> 16);
  for (uint16_t& each : x.b) each = static_cast<uint16_t>(bits_of(stream, factors) >> 16);
  for (float& each : x.c) each = std::bit_cast<float>(bits_of(stream, sums));
  return x;
}

// Usual numbers; products and sums that leave the normal range below and above; anything at all.
constexpr std::array<std::pair<Exponents, Exponents>, 6> kRanges = {{{{110, 30}, {100, 30}},
                                                                     {{0, 70}, {0, 4}},
                                                                     {{60, 8}, {0, 4}},
                                                                     {{50, 30}, {0, 8}},
                                                                     {{180, 12}, {240, 15}},
                                                                     {{0, 256}, {0, 256}}}};

// All NaNs are alike.
void expect_same_bits(const Sums& found, const Sums& expected) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(found[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(found[i]), std::bit_cast<uint32_t>(expected[i])) << i;
  }
}

TEST(MatrixTiles, TheEmulationHasTheBitsOfTheCpu) {
  if (!is_supported(InstructionSet::amx)) GTEST_SKIP() << "this machine has no matrix tiles";
  RandomStream stream(1, "tiles");
  for (const auto& [factors, sums] : kRanges) {
    for (int64_t n = 0; n < 300; ++n) {
      const Operands x = random_operands(stream, factors, sums);
      const int64_t rows = 1 + n % kTileHeight;
      expect_same_bits(product<EmulatedTiles>(x, rows), product<CpuTiles>(x, rows));
    }
  }
}

TEST(MatrixTiles, RowsBelowTheHeightAreLeftAlone) {
  RandomStream stream(2, "tiles");
  const Operands x = random_operands(stream, {110, 20}, {110, 20});
  const Sums found = product<EmulatedTiles>(x, 5);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i] == x.c[i], i >= 5 * kTileColumns) << i;
  }
}

TEST(MatrixTiles, EvenAndOddPlacesAreSummedApartAndThenAdded) {
  Operands x = {};
  const auto set = [](float value) {
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
  };
  // 2^24 + 1 + 1 in the even places is 2^24 there, 1 + 1 in the odd ones are 2.
  const std::array<float, 6> row = {0x1p24F, 1, 1, 1, 1, 0};
  for (size_t i = 0; i < row.size(); ++i) x.a[i] = set(row[i]);
  for (size_t k = 0; k < kTileDepth; ++k) x.b[k / 2 * kTileDepth + k % 2] = set(1);
  EXPECT_EQ(product<EmulatedTiles>(x, 1)[0], 0x1p24F + 2);
}

TEST(MatrixTiles, NumbersBelowTheNormalRangeAreZero) {
  Operands x = {};
  x.a[0] = 0x0040;  // below
  x.b[0] = 0x7f00;
  x.c[0] = 0x1p-130F;
  EXPECT_EQ(product<EmulatedTiles>(x, 1)[0], 0);
}

}  // namespace
}  // namespace thoughtrank
