// How AdamW goes over an arena on the CPU: in tiles, with the random bits of a tile at hand.
#pragma once

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/adamw/adamw_cuda.h"
#include "thoughtrank/kernels/adamw.h"

namespace thoughtrank::adamw {

// Elements a thread works on at a time; its random bits fit in the first-level cache.
constexpr int64_t kTile = 512;

// The random 16 bits of the kTile elements from `first`, in element order.
inline void fill_random(uint16_t* random, int64_t first, Stream stream, const Factors& f) {
  uint32_t words[kTile / 2];
  for (int64_t i = 0; i < kTile / kElementsPerBlock; ++i) {
    const auto block =
        random_block(static_cast<uint64_t>(first / kElementsPerBlock + i), stream, f);
    for (size_t j = 0; j < 4; ++j) words[4 * i + static_cast<int64_t>(j)] = block[j];
  }
  std::memcpy(random, words, sizeof words);
}

// Stored values of one tensor within a tile: float32 as it is, bfloat16 (its bits) rounded.
struct PlainStore {
  PlainStore(int64_t, Stream, const Factors&) {}
  float operator()(float value, int64_t) const { return value; }
};
struct RoundedStore {
  uint16_t random[kTile];
  RoundedStore(int64_t first, Stream stream, const Factors& f) {
    fill_random(random, first, stream, f);
  }
  uint16_t operator()(float value, int64_t i) const {
    return round_stochastically(value, random[i]);
  }
};
template <class T>
using Store = std::conditional_t<std::is_same_v<T, float>, PlainStore, RoundedStore>;

// work(first, count) for each tile, over the threads.
template <class Work>
void for_each_tile(int64_t elements, const Work& work) {
  at::parallel_for(
      0, (elements + kTile - 1) / kTile, /*grain_size=*/64, [&](int64_t begin, int64_t end) {
        for (int64_t tile = begin; tile < end; ++tile) {
          const int64_t first = tile * kTile;
          work(first, std::min(kTile, elements - first));
        }
      });
}

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// The update where the arena is: `on_cpu(update)`, or its kernel.
template <class Update, class OnCpu>
void update_on_device(const AdamWArena& arena, const Update& update, const OnCpu& on_cpu) {
  const at::Device device = arena.weights.device();
  if (!device.is_cuda()) return on_cpu(update);
  const c10::DeviceGuard guard(device);
  update_on_cuda(update, cuda::current_stream(device.index()));
}

// Updates of an arena with a float32 master, and of one whose moments have 8 bits.
void update_with_master(const AdamWArena& arena, const Factors& f);
void update_with_bytes(const AdamWArena& arena, const Factors& f);

}  // namespace thoughtrank::adamw
