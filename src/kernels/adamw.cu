#include "kernels/adamw_cuda.h"
#include "kernels/cuda_ops.h"

namespace thoughtrank::adamw {
namespace {

constexpr int kThreads = 256;
constexpr int kMostBlocks = 4096;

// The random 16 bits of 8 elements for one stored value; none for what is stored in float32.
template <class T>
struct RandomBits {
  std::array<uint32_t, 4> words = {};

  __device__ RandomBits(int64_t block, Stream stream, const Factors& f) {
    if constexpr (sizeof(T) == 2) words = random_block(static_cast<uint64_t>(block), stream, f);
  }
  [[nodiscard]] __device__ T rounded(float value, int i) const {
    if constexpr (sizeof(T) == 2) {
      const uint32_t word = words[static_cast<size_t>(i / 2)];
      return round_stochastically(value, static_cast<uint16_t>(i % 2 == 0 ? word : word >> 16));
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

}  // namespace

template <class Weight, class Moment>
void update_on_cuda(const FlatUpdate<Weight, Moment>& update, cuda::Stream stream) {
  const int64_t per_block = int64_t{kThreads} * kElementsPerBlock;
  const int64_t blocks = (update.elements + per_block - 1) / per_block;
  cuda::launch("AdamW",
               update_kernel<Weight, Moment>,
               static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks),
               kThreads,
               update,
               stream);
}

template void update_on_cuda(const FlatUpdate<float, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<float, uint16_t>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, uint16_t>&, cuda::Stream);

}  // namespace thoughtrank::adamw
