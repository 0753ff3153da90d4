// The innermost loops of inference, as a table of plain functions per instruction set. One source
// (vector_kernels.inl) is compiled for each set; no loop here starts threads or allocates.
//
// Every sum is taken in one order that depends on its own row only, so the result for a row is
// bitwise the same whatever other rows are computed beside it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "thoughtrank/kernels/instruction_set.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {

// bfloat16 as its bits: the upper half of a float32.
using Bf16 = uint16_t;

inline float widened(Bf16 x) { return std::bit_cast<float>(uint32_t{x} << 16); }
inline float widened(float x) { return x; }

inline constexpr int64_t kPanel = 32;       // output columns of one packed panel
inline constexpr int64_t kCacheLine = 64;   // bytes
inline constexpr int64_t kVectorRows = 13;  // rows × panel that fit the registers of AVX-512
inline constexpr int64_t kMostRows = 32;    // rows that any kernel takes at once
// Depth of a panel that stays in the innermost cache for all rows.
inline constexpr int64_t kVectorDepth = 192;

// c = a · panel, or c += a · panel, for a few rows and one panel of 32 columns. bfloat16 panels
// meet bfloat16 rows where the CPU has a fast dot product for them, else float32 rows.
template <class Row, class Panel>
struct Tile {
  const Row* a = nullptr;  // (rows, depth), rows `a_stride` apart
  int64_t a_stride = 0;
  // float32: (depth, 32); bfloat16: (depth / 2, 32, 2), the pair of neighbours in depth innermost.
  const Panel* panel = nullptr;
  int64_t depth = 0;   // even for bfloat16
  float* c = nullptr;  // (rows, 32), rows `c_stride` apart
  int64_t c_stride = 0;
  bool accumulates = false;
  // Memory to bring near meanwhile, the panel's bytes / next_parts; nullptr is harmless.
  const void* next = nullptr;
  // Of a bfloat16 panel for float32 rows: where it is kept as float32, (depth, 32), if anywhere.
  float* wide = nullptr;
};

// Kernels by number of rows, 1 to most_rows; 0: none for these types. What makes their calls quick
// beside the rows changes no bit.
template <class Row, class Panel>
struct TileKernels {
  using Kernel = void (*)(const Tile<Row, Panel>&);
  std::array<Kernel, kMostRows + 1> by_rows = {};
  int64_t most_rows = 0;
  int64_t row_step = 1;               // a number of rows costs as much as the next multiple of it
  int64_t most_depth = kVectorDepth;  // of a panel at a time
  int64_t next_parts = 4;             // calls that bring the next block near
};

// Rows cut into tiles of about equal height, whole steps but for the last.
struct RowCut {
  int64_t rows, tiles, step, steps;

  template <class Kernels>
  RowCut(int64_t row_count, const Kernels& kernels)
      : rows(row_count),
        tiles((row_count + kernels.most_rows - 1) / kernels.most_rows),
        step(kernels.row_step),
        steps((row_count + step - 1) / step) {}
  // Of tile number `tile`; of the one after the last: the number of rows.
  [[nodiscard]] int64_t first(int64_t tile) const {
    return tile == tiles ? rows : tile * steps / tiles * step;
  }
};

// Running softmax of one query row (Milakov and Gimelshein, 2018).
struct SoftmaxState {
  float highest;
  float sum;  // of exp(score - highest)
};

struct LogitsSummary {
  int64_t best_id;
  float best, second;  // the two highest logits
  float sum;           // of exp(logit - best)
  bool is_finite;
};

// What works on rows and writes them as T.
template <class T>
struct RowKernels {
  // x += delta (where there is one); out = x / rms(x) · weight. Rows of C.
  void (*rms_norm)(float* x, const float* delta, const float* weight, float eps, T* out, int64_t C);
  // out = silu(gate) · up.
  void (*silu_mul)(const float* gate, const float* up, T* out, int64_t F);
  // Takes `count` scores of a page in; writes all kPageTokens weights exp(score - highest), zero
  // after `count`. Returns what earlier sums are to be multiplied by.
  float (*softmax_page)(const float* scores, int64_t count, T* weights, SoftmaxState& state);
  // out = acc · factor.
  void (*scale_to)(const float* acc, float factor, T* out, int64_t D);
  // out = rotate_half(x) · scale (Su et al., 2021; Hugging Face's layout).
  void (*rotate)(
      const float* x, const float* cos, const float* sin, float scale, T* out, int64_t D);
};

struct VectorKernels {
  RowKernels<float> f32;
  RowKernels<Bf16> bf16;
  TileKernels<float, float> f32_tiles;
  TileKernels<float, Bf16> widening_tiles;  // bit for bit as f32_tiles on the widened panel
  TileKernels<Bf16, Bf16> dot_tiles;        // none without an instruction that multiplies bfloat16
  void (*scale)(float* x, float factor, int64_t n);  // x *= factor
  LogitsSummary (*summarize)(const float* logits, int64_t n);

  template <class T>
  [[nodiscard]] const RowKernels<T>& rows() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32;
    } else {
      return bf16;
    }
  }
  template <class Row, class Panel>
  [[nodiscard]] const TileKernels<Row, Panel>& tiles() const {
    if constexpr (std::is_same_v<Panel, float>) {
      return f32_tiles;
    } else if constexpr (std::is_same_v<Row, float>) {
      return widening_tiles;
    } else {
      return dot_tiles;
    }
  }
};

// The machine must support `set`.
[[nodiscard]] const VectorKernels& vector_kernels(InstructionSet set = instruction_set());

[[nodiscard]] const VectorKernels& portable_kernels();
[[nodiscard]] const VectorKernels& avx2_kernels();
[[nodiscard]] const VectorKernels& avx512_kernels();
// The AVX-512 table with vdpbf16ps tiles.
[[nodiscard]] const VectorKernels& avx512_bf16_kernels();
// The AVX-512 table with matrix tiles for bfloat16.
[[nodiscard]] const VectorKernels& amx_kernels();
// The same bits on any machine, without haste; the rest of the table is the machine's.
[[nodiscard]] const VectorKernels& emulated_amx_kernels();

}  // namespace thoughtrank
