#include "kernels/decode_step/attend_kv_block.cuh"
#include "kernels/decode_step/decode_step_operations.h"

namespace thoughtrank::decode_step {
namespace {

// A block per slot, key/value head and kRows of its query rows; the prefix's part joins last.
template <class T, class Shape>
__global__ void __launch_bounds__(kAttendThreads, Shape::kBlocks)
    suffixes_kernel(AttendSuffixes<T> o) {
  constexpr int kRows = Shape::kRows, kLanes = Shape::kLanes;
  __shared__ WarpParts<kRows, kLanes> parts;
  const Heads& heads = o.kv.heads;
  const int slot = static_cast<int>(blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  const int first_row = static_cast<int>(blockIdx.z) * kRows, D = heads.size;
  const int rows = heads.group() - first_row < kRows ? heads.group() - first_row : kRows;
  const int head = kv_head * heads.group() + first_row;
  const KvBlock suffix = suffix_of(o.slots, slot);
  T* out = o.out + (int64_t{slot} * heads.query + head) * D;
  if (suffix.length <= 0) {
    for (int i = threadIdx.x; i < rows * D; i += kAttendThreads) out[i] = T{};
    return;
  }
  const T* queries = o.qkv + slot * heads.row() + int64_t{head} * D;
  attend_kv_block<T, kRows, kLanes, Shape::kKeys>({queries, rows, suffix, &o.kv, kv_head}, parts);
  for (int i = threadIdx.x; i < rows * D; i += kAttendThreads) {
    const int row = i / D, column = i % D;
    const int64_t prefix_row = int64_t{slot} * heads.query + head + row;
    const Joined prefix = {{o.states[prefix_row * 2], o.states[prefix_row * 2 + 1]},
                           o.sums[prefix_row * D + column]};
    const Joined all = join_warps(prefix, parts, row, column);
    out[i] = narrow<T>(all.sum / all.state.sum);
  }
}

}  // namespace

template <class T>
void launch(const AttendSuffixes<T>& o, cuda::Stream stream) {
  with_attend_shape<T>(o.kv.heads, [&]<class Shape>(Shape) {
    const int parts = (o.kv.heads.group() + Shape::kRows - 1) / Shape::kRows;
    const dim3 blocks(static_cast<unsigned>(o.slots.count),
                      static_cast<unsigned>(o.kv.heads.kv),
                      static_cast<unsigned>(parts));
    cuda::launch("attend_suffixes", suffixes_kernel<T, Shape>, blocks, kAttendThreads, o, stream);
  });
}

template void launch(const AttendSuffixes<float>&, cuda::Stream);
template void launch(const AttendSuffixes<Bf16>&, cuda::Stream);

}  // namespace thoughtrank::decode_step
