// Rows of bfloat16 times a packed panel on matrix tiles: 32 × 32 sums at a time in four registers.
// A panel's pairs of neighbours in depth, 32 columns wide, are two tiles of B side by side, as they
// lie. A row's sum is cut at multiples of 32 in depth, whatever stands beside it.
#include <algorithm>
#include <limits>

#include "kernels/vector/vector_kernels.h"
#include "thoughtrank/kernels/matrix_tiles.h"

namespace thoughtrank {
namespace {

constexpr int64_t kPanelStride =
    kPanel * 2 * static_cast<int64_t>(sizeof(Bf16));  // bytes of a pair
constexpr int64_t kStep = kTileDepth * kPanel;        // elements of a panel that one step takes
constexpr int64_t kMostTileRows = 2 * kTileHeight;

// Two tiles of rows from `first` and `second` on times the two tiles of the panel. They may
// overlap: the rows in both get the same sums twice.
template <class Unit, bool kHasSecond>
struct TwoByTwo {
  Unit& unit;
  const Tile<Bf16, Bf16>& t;
  int64_t second;  // first row of the lower tile

  [[nodiscard]] int64_t c_stride() const {
    return t.c_stride * static_cast<int64_t>(sizeof(float));
  }

  void begin() {
    if (!t.accumulates) {
      unit.template clear<0>();
      unit.template clear<1>();
      if constexpr (kHasSecond) unit.template clear<2>();
      if constexpr (kHasSecond) unit.template clear<3>();
      return;
    }
    unit.template load<0>(t.c, c_stride());
    unit.template load<1>(t.c + kTileColumns, c_stride());
    if constexpr (!kHasSecond) return;
    unit.template load<2>(t.c + second * t.c_stride, c_stride());
    unit.template load<3>(t.c + second * t.c_stride + kTileColumns, c_stride());
  }
  void add(const Bf16* a, int64_t a_stride, const Bf16* b) {
    const int64_t a_bytes = a_stride * static_cast<int64_t>(sizeof(Bf16));
    unit.template load<4>(a, a_bytes);
    unit.template load<6>(b, kPanelStride);
    unit.template load<7>(b + kPanel, kPanelStride);
    unit.template multiply<0, 4, 6>();
    unit.template multiply<1, 4, 7>();
    if constexpr (!kHasSecond) return;
    unit.template load<5>(a + second * a_stride, a_bytes);
    unit.template multiply<2, 5, 6>();
    unit.template multiply<3, 5, 7>();
  }
  void end() {
    unit.template store<0>(t.c, c_stride());
    unit.template store<1>(t.c + kTileColumns, c_stride());
    if constexpr (!kHasSecond) return;
    unit.template store<2>(t.c + second * t.c_stride, c_stride());
    unit.template store<3>(t.c + second * t.c_stride + kTileColumns, c_stride());
  }
};

// What is left of the depth, filled up with zeros.
template <class Sums>
void add_rest(Sums& sums, const Tile<Bf16, Bf16>& t, int64_t rows, int64_t from) {
  alignas(kCacheLine) Bf16 a[kMostTileRows * kTileDepth] = {};
  alignas(kCacheLine) Bf16 b[kStep] = {};
  const int64_t rest = t.depth - from;
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(t.a + row * t.a_stride + from, rest, a + row * kTileDepth);
  }
  std::copy_n(t.panel + from * kPanel, rest * kPanel, b);
  sums.add(a, kTileDepth, b);
}

template <class Unit, bool kHasSecond>
void multiply(const Tile<Bf16, Bf16>& t, int64_t rows) {
  Unit unit(kHasSecond ? kTileHeight : rows);
  TwoByTwo<Unit, kHasSecond> sums{unit, t, rows - kTileHeight};
  sums.begin();
  const char* next = static_cast<const char*>(t.next);
  const int64_t whole = t.depth / kTileDepth * kTileDepth;
  for (int64_t k = 0; k < whole; k += kTileDepth) {
    if (next != nullptr) {
      for (int64_t line = 0; line < kTileDepth; ++line, next += kCacheLine) {
        __builtin_prefetch(next, 0, 2);
      }
    }
    sums.add(t.a + k, t.a_stride, t.panel + k * kPanel);
  }
  if (whole < t.depth) add_rest(sums, t, rows, whole);
  sums.end();
}

template <class Unit, int kRows>
void tile_of_rows(const Tile<Bf16, Bf16>& t) {
  multiply<Unit, (kRows > kTileHeight)>(t, kRows);
}

template <class Unit, int... kBefore>
VectorKernels with_tiles(VectorKernels kernels, std::integer_sequence<int, kBefore...>) {
  kernels.dot_tiles = {.by_rows = {nullptr, tile_of_rows<Unit, kBefore + 1>...},
                       .most_rows = kMostTileRows,
                       .row_step = kTileHeight,
                       .most_depth = std::numeric_limits<int64_t>::max(),
                       .next_parts = 1};
  return kernels;
}

}  // namespace

const VectorKernels& amx_kernels() {
  static const VectorKernels kernels =
      with_tiles<CpuTiles>(avx512_kernels(), std::make_integer_sequence<int, kMostTileRows>());
  return kernels;
}

const VectorKernels& emulated_amx_kernels() {
  static const VectorKernels kernels = with_tiles<EmulatedTiles>(
      is_supported(InstructionSet::avx512) ? avx512_kernels() : portable_kernels(),
      std::make_integer_sequence<int, kMostTileRows>());
  return kernels;
}

}  // namespace thoughtrank
