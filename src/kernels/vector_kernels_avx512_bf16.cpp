#include <immintrin.h>

#include "kernels/vector_kernels.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")

namespace thoughtrank {
namespace {

// One vdpbf16ps multiplies 16 columns by a broadcast pair of neighbours in depth.
template <int kRows>
void tile_dot(const Tile<Bf16>& t) {
  __m512 sums[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* c = t.c + r * t.c_stride;
    sums[r][0] = t.accumulates ? _mm512_loadu_ps(c) : _mm512_setzero_ps();
    sums[r][1] = t.accumulates ? _mm512_loadu_ps(c + 16) : _mm512_setzero_ps();
  }
  const Bf16* panel = t.panel;
  for (int64_t k = 0; k < t.depth; k += 2, panel += 2 * kPanel) {
    const auto left = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel));
    const auto right = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + kPanel));
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, t.a + r * t.a_stride + k, sizeof(pair));
      const auto x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], x, left);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], x, right);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(t.c + r * t.c_stride, sums[r][0]);
    _mm512_storeu_ps(t.c + r * t.c_stride + 16, sums[r][1]);
  }
}

VectorKernels with_dot_tiles(VectorKernels kernels) {
  kernels.bf16.tile = {nullptr,
                       tile_dot<1>,
                       tile_dot<2>,
                       tile_dot<3>,
                       tile_dot<4>,
                       tile_dot<5>,
                       tile_dot<6>,
                       tile_dot<7>,
                       tile_dot<8>,
                       tile_dot<9>,
                       tile_dot<10>,
                       tile_dot<11>,
                       tile_dot<12>,
                       tile_dot<13>};
  kernels.bf16.most_rows = kMostRows;
  return kernels;
}

}  // namespace

const VectorKernels& avx512_bf16_kernels() {
  static const VectorKernels kernels = with_dot_tiles(avx512_kernels());
  return kernels;
}

}  // namespace thoughtrank
