#include "kernels/adamw/adamw_cuda.h"
#include "kernels/decode_step/cuda_ops.h"
#include "kernels/decode_step/small_float.h"

namespace thoughtrank::adamw {
namespace {

constexpr int kThreads = 256;
constexpr int kMostBlocks = 4096;

// The random 16 bits of 8 elements for one stored value; none for what is stored in float32.
template <class T>
struct RandomBits {
  std::array<uint32_t, 4> words = {};

  __device__ RandomBits(int64_t block, Stream stream, const Factors& f) {
    if constexpr (sizeof(T) < 4) words = random_block(static_cast<uint64_t>(block), stream, f);
  }
  [[nodiscard]] __device__ uint16_t of(int i) const {
    const uint32_t word = words[static_cast<size_t>(i / 2)];
    return static_cast<uint16_t>(i % 2 == 0 ? word : word >> 16);
  }
  [[nodiscard]] __device__ T rounded(float value, int i) const {
    if constexpr (sizeof(T) == 2) {
      return round_stochastically(value, of(i));
    } else {
      return value;
    }
  }
};

// A thread takes the elements of one random block at a time: 8 neighbours.
template <class Weight, class Moment>
__global__ void __launch_bounds__(kThreads) update_kernel(FlatUpdate<Weight, Moment> u) {
  const int64_t blocks = (u.elements + kElementsPerBlock - 1) / kElementsPerBlock;
  const int64_t threads = int64_t{gridDim.x} * kThreads;
  for (int64_t b = int64_t{blockIdx.x} * kThreads + threadIdx.x; b < blocks; b += threads) {
    const RandomBits<Weight> for_weight(b, kWeightStream, u.factors);
    const RandomBits<Moment> for_first(b, kFirstMomentStream, u.factors);
    const RandomBits<Moment> for_second(b, kSecondMomentStream, u.factors);
#pragma unroll
    for (int i = 0; i < kElementsPerBlock; ++i) {
      const int64_t n = b * kElementsPerBlock + i;
      if (n >= u.elements) break;
      const Element old = {
          widen(u.weights[n]), widen(u.first_moment[n]), widen(u.second_moment[n])};
      const Element updated = update_element(old, widen(u.gradients[n]), u.factors);
      u.weights[n] = for_weight.rounded(updated.weight, i);
      u.first_moment[n] = for_first.rounded(updated.first_moment, i);
      u.second_moment[n] = for_second.rounded(updated.second_moment, i);
    }
  }
}

__global__ void __launch_bounds__(kThreads) update_master_kernel(MasterUpdate u) {
  const int64_t threads = int64_t{gridDim.x} * kThreads;
  for (int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x; n < u.elements; n += threads) {
    const Element old = {u.master[n], u.first_moment[n], u.second_moment[n]};
    const Element updated = update_element(old, widen(u.gradients[n]), u.factors);
    u.master[n] = updated.weight;
    u.first_moment[n] = updated.first_moment;
    u.second_moment[n] = updated.second_moment;
    u.weights[n] = round_to_nearest(updated.weight);
  }
}

// The largest over a warp, for all of its lanes; not of NaN.
__device__ inline float largest_of_warp(float value) {
  for (int step = cuda::kWarp / 2; step > 0; step /= 2) {
    value = fmaxf(value, __shfl_xor_sync(cuda::kAllLanes, value, step));
  }
  return value;
}

// The 8 moments of a lane: read as shares of the old scale, written as shares of the new one.
template <class Share>
struct LaneMoments {
  float values[kElementsPerBlock] = {};
  float largest = 0;

  __device__ void keep(int i, float value) {
    values[i] = value;
    largest = fmaxf(largest, fabsf(value));
  }
  // By all lanes of a warp: their elements share the scale.
  __device__ void store(uint8_t* codes,
                        float* scale,
                        int count,
                        const RandomBits<uint8_t>& random) const {
    const float of_all = largest_of_warp(largest);
    const float inverse = of_all > 0 ? 1 / of_all : 0;
    if (threadIdx.x % cuda::kWarp == 0) *scale = of_all;
    for (int i = 0; i < count; ++i) codes[i] = Share::encode(values[i], inverse, random.of(i));
  }
};

// A warp takes the elements of one scale at a time, a lane those of one random block.
template <class Weight>
__global__ void __launch_bounds__(kThreads) update_bytes_kernel(ByteUpdate<Weight> u) {
  static_assert(cuda::kWarp * kElementsPerBlock == kElementsPerScale);
  const int64_t scales = (u.elements + kElementsPerScale - 1) / kElementsPerScale;
  const int64_t warps = int64_t{gridDim.x} * kThreads / cuda::kWarp;
  const int64_t lane = threadIdx.x % cuda::kWarp;
  for (int64_t s = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / cuda::kWarp; s < scales;
       s += warps) {
    const int64_t from = s * kElementsPerScale + lane * kElementsPerBlock;
    const int64_t left = u.elements - from;
    const int count = static_cast<int>(left < 0 ? 0 : left < 8 ? left : kElementsPerBlock);
    const int64_t block = from / kElementsPerBlock;
    const RandomBits<Weight> for_weight(block, kWeightStream, u.factors);
    const float first_scale = u.first_scale[s], second_scale = u.second_scale[s];
    LaneMoments<SignedShare> first;
    LaneMoments<PositiveShare> second;
    for (int i = 0; i < count; ++i) {
      const int64_t n = from + i;
      const Element old = {widen(u.weights[n]),
                           SignedShare::decode(u.first_moment[n], first_scale),
                           PositiveShare::decode(u.second_moment[n], second_scale)};
      const Element updated = update_element(old, widen(u.gradients[n]), u.factors);
      u.weights[n] = for_weight.rounded(updated.weight, i);
      first.keep(i, updated.first_moment);
      second.keep(i, updated.second_moment);
    }
    first.store(u.first_moment + from,
                u.first_scale + s,
                count,
                RandomBits<uint8_t>(block, kFirstMomentStream, u.factors));
    second.store(u.second_moment + from,
                 u.second_scale + s,
                 count,
                 RandomBits<uint8_t>(block, kSecondMomentStream, u.factors));
  }
}

// Blocks that take `per_thread` elements each time round.
unsigned blocks_for(int64_t elements, int64_t per_thread) {
  const int64_t per_block = kThreads * per_thread;
  const int64_t blocks = (elements + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

}  // namespace

template <class Weight, class Moment>
void update_on_cuda(const FlatUpdate<Weight, Moment>& update, cuda::Stream stream) {
  const unsigned blocks = blocks_for(update.elements, kElementsPerBlock);
  cuda::launch("AdamW", update_kernel<Weight, Moment>, blocks, kThreads, update, stream);
}

template <class Weight>
void update_on_cuda(const ByteUpdate<Weight>& update, cuda::Stream stream) {
  const unsigned blocks = blocks_for(update.elements, kElementsPerBlock);
  cuda::launch("AdamW", update_bytes_kernel<Weight>, blocks, kThreads, update, stream);
}

void update_on_cuda(const MasterUpdate& update, cuda::Stream stream) {
  const unsigned blocks = blocks_for(update.elements, 1);
  cuda::launch("AdamW", update_master_kernel, blocks, kThreads, update, stream);
}

template void update_on_cuda(const FlatUpdate<float, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<float, uint16_t>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, uint16_t>&, cuda::Stream);
template void update_on_cuda(const ByteUpdate<float>&, cuda::Stream);
template void update_on_cuda(const ByteUpdate<uint16_t>&, cuda::Stream);

}  // namespace thoughtrank::adamw
