#include <immintrin.h>

#include "kernels/vector/vector_kernels.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")

namespace thoughtrank {
namespace {

// One vdpbf16ps multiplies 16 columns by a broadcast pair of neighbours in depth.
template <int kRows>
void tile_dot(const Tile<Bf16, Bf16>& t) {
  __m512 sums[kRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* c = t.c + r * t.c_stride;
    sums[r][0] = t.accumulates ? _mm512_loadu_ps(c) : _mm512_setzero_ps();
    sums[r][1] = t.accumulates ? _mm512_loadu_ps(c + 16) : _mm512_setzero_ps();
  }
  const Bf16* panel = t.panel;
  const auto add_pairs = [&](int64_t k) {
    const auto left = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel));
    const auto right = reinterpret_cast<__m512bh>(_mm512_loadu_si512(panel + kPanel));
    panel += 2 * kPanel;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, t.a + r * t.a_stride + k, sizeof(pair));
      const auto x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], x, left);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], x, right);
    }
  };
  const char* next = static_cast<const char*>(t.next);
  const int64_t whole = t.depth / 4 * 4;
  for (int64_t k = 0; k < whole; k += 4, next += kCacheLine) {
    __builtin_prefetch(next, 0, 2);
    add_pairs(k);
    add_pairs(k + 2);
  }
  if (whole < t.depth) add_pairs(whole);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(t.c + r * t.c_stride, sums[r][0]);
    _mm512_storeu_ps(t.c + r * t.c_stride + 16, sums[r][1]);
  }
}

template <int... kBefore>
VectorKernels with_dot_tiles(VectorKernels kernels, std::integer_sequence<int, kBefore...>) {
  kernels.dot_tiles = {.by_rows = {nullptr, tile_dot<kBefore + 1>...},
                       .most_rows = sizeof...(kBefore)};
  return kernels;
}

}  // namespace

const VectorKernels& avx512_bf16_kernels() {
  static const VectorKernels kernels =
      with_dot_tiles(avx512_kernels(), std::make_integer_sequence<int, kVectorRows>());
  return kernels;
}

}  // namespace thoughtrank
