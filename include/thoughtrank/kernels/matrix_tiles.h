// The matrix tiles of AMX: eight registers of at most 16 rows of 64 bytes, and one instruction that
// multiplies two of them (Intel's Software Developer's Manual, TDPBF16PS). Two units with the same
// face: the CPU's, and one in plain C++ that gives the same bits on any machine, for tests.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace thoughtrank {

inline constexpr int64_t kTileHeight = 16;    // most rows of a register
inline constexpr int64_t kTileDepth = 32;     // bfloat16 of a row of A: what one instruction sums
inline constexpr int64_t kTileColumns = 16;   // float32 of a row of C
inline constexpr int64_t kTileRowBytes = 64;  // of A, B and C alike

// Registers 0 to 5 are of C and A and have `height` rows; 6 and 7 are of B and have 16.
inline constexpr int kFirstTileOfB = 6, kTileRegisters = 8;

// What LDTILECFG reads: palette 1.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  std::array<uint8_t, 15> reserved = {};
  std::array<uint16_t, 16> row_bytes = {};
  std::array<uint8_t, 16> rows = {};

  bool operator==(const TileShapes& other) const {
    const auto words = [](const TileShapes& s) {
      return std::bit_cast<std::array<uint64_t, 8>>(s);
    };
    return words(*this) == words(other);
  }
};
static_assert(sizeof(TileShapes) == 64);

inline TileShapes tile_shapes(int64_t height) {
  TileShapes shapes;
  for (size_t i = 0; i < kTileRegisters; ++i) {
    shapes.row_bytes[i] = kTileRowBytes;
    shapes.rows[i] = static_cast<uint8_t>(i < kFirstTileOfB ? height : kTileHeight);
  }
  return shapes;
}

// The CPU's own registers. Its state is the thread's; whoever else uses tiles on it (oneDNN) sets
// the shapes anew, so they are looked at each time, which costs less than to set them.
class CpuTiles {
 public:
  explicit CpuTiles(int64_t height) {
    static const auto kShapes = [] {
      std::array<TileShapes, kTileHeight + 1> shapes;
      for (int64_t rows = 1; rows <= kTileHeight; ++rows) {
        shapes[static_cast<size_t>(rows)] = tile_shapes(rows);
      }
      return shapes;
    }();
    const TileShapes& wanted = kShapes[static_cast<size_t>(height)];
    TileShapes found;
    asm volatile("sttilecfg %0" : "=m"(found));
    if (found != wanted) asm volatile("ldtilecfg %0" : : "m"(wanted));
  }
  template <int kTile>
  void clear() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  template <int kTile>
  void load(const void* from, int64_t stride_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
                 :
                 : "r"(from), "r"(stride_bytes), "i"(kTile)
                 : "memory");
  }
  template <int kTile>
  void store(void* to, int64_t stride_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
                 :
                 : "r"(to), "r"(stride_bytes), "i"(kTile)
                 : "memory");
  }
  // C += A · B.
  template <int kC, int kA, int kB>
  void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kC), "i"(kA), "i"(kB));
  }
};

// The same in software. TDPBF16PS sums the even and the odd places of a row each with fused
// multiply-adds from zero, adds the two sums, and that to C; numbers below the normal range are
// zero on the way in and out.
class EmulatedTiles {
 public:
  explicit EmulatedTiles(int64_t height) : height_(height) {}
  template <int kTile>
  void clear() {
    tiles_[kTile].fill(0);
  }
  template <int kTile>
  void load(const void* from, int64_t stride_bytes) {
    for (int64_t row = 0; row < rows_of(kTile); ++row) {
      std::memcpy(
          row_of(kTile, row), static_cast<const char*>(from) + row * stride_bytes, kTileRowBytes);
    }
  }
  template <int kTile>
  void store(void* to, int64_t stride_bytes) {
    for (int64_t row = 0; row < rows_of(kTile); ++row) {
      std::memcpy(static_cast<char*>(to) + row * stride_bytes, row_of(kTile, row), kTileRowBytes);
    }
  }
  template <int kC, int kA, int kB>
  void multiply() {
    for (int64_t row = 0; row < rows_of(kC); ++row) {
      for (int64_t column = 0; column < kTileColumns; ++column) {
        float even = 0, odd = 0;
        for (int64_t k = 0; k < kTileDepth / 2; ++k) {
          const uint32_t a = word(kA, row, k), b = word(kB, k, column);
          even = normal(std::fma(low(a), low(b), even));
          odd = normal(std::fma(high(a), high(b), odd));
        }
        uint32_t& c = word(kC, row, column);
        const float before = normal(std::bit_cast<float>(c));
        c = std::bit_cast<uint32_t>(normal(before + normal(even + odd)));
      }
    }
  }

 private:
  static float normal(float x) { return std::fabs(x) < 0x1p-126F ? std::copysign(0.0F, x) : x; }
  static float low(uint32_t pair) { return normal(std::bit_cast<float>(pair << 16)); }
  static float high(uint32_t pair) { return normal(std::bit_cast<float>(pair & 0xffff0000U)); }
  [[nodiscard]] int64_t rows_of(int tile) const {
    return tile < kFirstTileOfB ? height_ : kTileHeight;
  }
  uint32_t* row_of(int tile, int64_t row) {
    return tiles_[static_cast<size_t>(tile)].data() + row * kTileColumns;
  }
  uint32_t& word(int tile, int64_t row, int64_t column) { return row_of(tile, row)[column]; }

  int64_t height_;
  std::array<std::array<uint32_t, kTileHeight * kTileColumns>, kTileRegisters> tiles_ = {};
};

}  // namespace thoughtrank
