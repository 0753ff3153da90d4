// src/kernels/decode_step/cuda_instructions.h for the host: what the instructions do, from the PTX
// ISA, in terms of the emulator. Knows nothing of mma_lanes.h, which it tests.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/decode_step/decode_step_element.h"
#include "kernels/emulated_cuda/emulator.h"
#include "kernels/machine/cuda_stream.h"

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

inline void __syncthreads() { thoughtrank::emulated::sync_block(); }
inline void __syncwarp() { thoughtrank::emulated::sync_warp(); }

inline float __shfl_xor_sync(unsigned, float value, int mask) {
  thoughtrank::emulated::Lanes& lanes = thoughtrank::emulated::lanes();
  const unsigned lane = threadIdx.x % 32;
  // Shuffles take turns at two rows: who writes a row again has met all lanes since they read it.
  float* shown = lanes.shown[lanes.shuffles[lane]++ % 2];
  shown[lane] = value;
  __syncwarp();
  return shown[lane ^ static_cast<unsigned>(mask)];
}

namespace thoughtrank::cuda {

using decode_step::Bf16;

template <class Argument>
void launch(const char*,
            void (*kernel)(Argument),
            dim3 blocks,
            int threads,
            const Argument& argument,
            Stream,
            int shared_bytes = 0) {
  emulated::run_blocks(blocks, threads, shared_bytes, [&] { kernel(argument); });
}

inline Bf16* dynamic_shared() { return static_cast<Bf16*>(emulated::dynamic_shared()); }

inline void copy_async(void* shared, const void* global, bool is_there) {
  emulated::copy_later(shared, global, is_there);
}
inline void commit_copies() { emulated::end_group(); }
template <int kPending>
void wait_for_copies() {
  emulated::finish_groups_but(kPending);
}

// Row r of matrix i is at the address of lane 8·i + r. Lane l gets of each matrix the elements
// (l / 4, 2·(l % 4)) and its right neighbour; transposed, (2·(l % 4), l / 4) and its lower one.
inline void load_four_matrices(uint32_t (&to)[4], const Bf16* row, bool is_transposed) {
  emulated::Lanes& lanes = emulated::lanes();
  const unsigned lane = threadIdx.x % 32, eighth = lane / 4, pair = lane % 4 * 2;
  lanes.rows[lane] = row;
  __syncwarp();
  for (unsigned i = 0; i < 4; ++i) {
    const Bf16* const* rows = lanes.rows + i * 8;
    const Bf16 low = is_transposed ? rows[pair][eighth] : rows[eighth][pair];
    const Bf16 high = is_transposed ? rows[pair + 1][eighth] : rows[eighth][pair + 1];
    to[i] = uint32_t{high} << 16 | low;
  }
  __syncwarp();
}
inline void load_matrices(uint32_t (&to)[4], const Bf16* row) {
  load_four_matrices(to, row, false);
}
inline void load_transposed_matrices(uint32_t (&to)[4], const Bf16* row) {
  load_four_matrices(to, row, true);
}

inline float half_of(uint32_t word, unsigned half) {
  return decode_step::widen(static_cast<Bf16>(word >> 16 * half));
}

// mma.m16n8k16, "Matrix fragments": with g = lane / 4 and t = lane % 4, a holds (g, 2t…), (g + 8,
// 2t…), (g, 2t + 8…), (g + 8, 2t + 8…); b (2t…, g), (2t + 8…, g); c (g, 2t…), (g + 8, 2t…).
inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulated::Lanes& lanes = emulated::lanes();
  const unsigned lane = threadIdx.x % 32;
  uint32_t* mine = lanes.words[lane];
  for (unsigned i = 0; i < 4; ++i) mine[i] = a[i];
  mine[4] = b0;
  mine[5] = b1;
  __syncwarp();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const uint32_t left = lanes.words[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2];
      const uint32_t right = lanes.words[column * 4 + k % 8 / 2][4 + k / 8];
      c[i] += half_of(left, k % 2) * half_of(right, k % 2);
    }
  }
  __syncwarp();
}

}  // namespace thoughtrank::cuda
