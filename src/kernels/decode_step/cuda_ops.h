// Loads and stores of several elements, and sums over a block.
#pragma once

#include "kernels/decode_step/cuda_instructions.h"

namespace thoughtrank::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// N elements that are loaded and stored at once; pointers to them are aligned to their size.
template <class T, int N>
struct alignas(sizeof(T) * N) Several {
  T values[N];
};
template <int N, class T>
__device__ inline Several<T, N> load(const T* from) {
  return *reinterpret_cast<const Several<T, N>*>(from);
}
template <int N, class T>
__device__ inline void store(T* to, const Several<T, N>& values) {
  *reinterpret_cast<Several<T, N>*>(to) = values;
}

// The sum over a block of kThreads, in one order, for all of them.
template <int kThreads>
__device__ inline float sum_over_block(float value) {
  __shared__ float sums[kThreads / kWarp];
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, step);
  }
  if (threadIdx.x % kWarp == 0) sums[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = 0;
  for (int warp = 0; warp < kThreads / kWarp; ++warp) sum += sums[warp];
  return sum;
}

}  // namespace thoughtrank::cuda
