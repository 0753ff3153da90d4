// Attention of a few query rows to one block of keys and values, by all warps of a block, with
// plain multiply-adds: as fast as memory where rows are few. Included by decode_suffixes.cu and
// decode_prefixes.cu.
//
// The keys of a token are read by kLanes neighbouring lanes, 8 elements each: a group. A warp has
// 32 / kLanes groups, each with a running softmax of its own; a group takes kKeys keys at a time,
// a warp takes pieces of groups · kKeys keys, warp w the pieces w, w + kWarps, … At the end groups
// and warps are joined in one fixed order. So a row's sum is cut by its own length only.
#pragma once

#include "kernels/decode_step/cuda_ops.h"

namespace thoughtrank::decode_step {

inline constexpr int kWarps = 8;
inline constexpr int kAttendThreads = kWarps * cuda::kWarp;
inline constexpr int kRun = 8;  // elements of a lane

// 8 elements as they are loaded, 16 bytes at a time.
template <class T>
struct Run {
  static constexpr int kPerLoad = 16 / sizeof(T);
  cuda::Several<T, kPerLoad> parts[kRun / kPerLoad] = {};

  __device__ void load(const T* from) {
    for (int i = 0; i < kRun / kPerLoad; ++i) parts[i] = cuda::load<kPerLoad>(from + i * kPerLoad);
  }
  [[nodiscard]] __device__ float operator[](int i) const {
    return widen(parts[i / kPerLoad].values[i % kPerLoad]);
  }
};

// What a lane holds: 8 elements of each row, and the row's softmax.
template <int kRows>
struct LaneRows {
  float query[kRows][kRun];  // times 1 / sqrt(D)
  float sums[kRows][kRun];   // of weights · values
  Softmax state[kRows];
};

// What the warps hand over: of their rows' sums and states.
template <int kRows, int kLanes>
struct WarpParts {
  float sums[kWarps][kRows][kLanes * kRun];
  Softmax state[kWarps][kRows];
};

// Which rows and keys a block works on.
template <class T>
struct Task {
  const T* queries;  // (rows, D)
  int rows;          // at most kRows
  KvBlock kv_block;
  const KvLayer<const T>* kv;
  int kv_head;
};

template <class T, int kRows>
__device__ void load_rows(LaneRows<kRows>& lane, const Task<T>& task, int column) {
  const int D = task.kv->heads.size;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  for (int r = 0; r < kRows; ++r) {
    Run<T> query;
    if (r < task.rows && column < D) query.load(task.queries + r * D + column);
    for (int i = 0; i < kRun; ++i) {
      lane.query[r][i] = query[i] * scale;
      lane.sums[r][i] = 0;
    }
    lane.state[r] = no_keys();
  }
}

// Scores of a group's keys: each lane multiplies its 8 elements, the group adds up. Keys from
// `count` on get −∞.
template <class T, int kRows, int kKeys, int kLanes>
__device__ void score(const LaneRows<kRows>& lane,
                      const Run<T> (&keys)[kKeys],
                      int count,
                      float (&scores)[kRows][kKeys]) {
#pragma unroll
  for (int k = 0; k < kKeys; ++k) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      float sum = 0;
#pragma unroll
      for (int i = 0; i < kRun; ++i) sum += lane.query[r][i] * keys[k][i];
#pragma unroll
      for (int step = kLanes / 2; step > 0; step /= 2) {
        sum += __shfl_xor_sync(cuda::kAllLanes, sum, step);
      }
      scores[r][k] = k < count ? sum : -kInfinity;
    }
  }
}

// Turns one row's scores into weights; what it summed before is rescaled.
template <int kRows, int kKeys>
__device__ void weigh(LaneRows<kRows>& lane, int row, float (&scores)[kKeys]) {
  Softmax& state = lane.state[row];
  float highest = state.highest;
#pragma unroll
  for (int k = 0; k < kKeys; ++k) highest = higher(highest, scores[k]);
  const float factor = factor_of(state.highest, highest);
  state.highest = highest;
  state.sum *= factor;
#pragma unroll
  for (int i = 0; i < kRun; ++i) lane.sums[row][i] *= factor;
#pragma unroll
  for (int k = 0; k < kKeys; ++k) {
    scores[k] = factor_of(scores[k], highest);
    state.sum += scores[k];
  }
}

template <class T, int kRows, int kKeys>
__device__ void add_values(LaneRows<kRows>& lane,
                           const Run<T> (&values)[kKeys],
                           const float (&weights)[kRows][kKeys]) {
#pragma unroll
  for (int k = 0; k < kKeys; ++k) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) lane.sums[r][i] += weights[r][k] * values[k][i];
    }
  }
}

// Joins a warp's groups: lanes of the first group get the sums of all.
template <int kRows, int kLanes>
__device__ void join_groups(LaneRows<kRows>& lane) {
#pragma unroll
  for (int step = kLanes; step < cuda::kWarp; step *= 2) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      Softmax& state = lane.state[r];
      const float other_highest = __shfl_xor_sync(cuda::kAllLanes, state.highest, step);
      const float other_sum = __shfl_xor_sync(cuda::kAllLanes, state.sum, step);
      const float highest = higher(state.highest, other_highest);
      const float factor = factor_of(state.highest, highest);
      const float other_factor = factor_of(other_highest, highest);
      state = {highest, state.sum * factor + other_sum * other_factor};
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        const float other = __shfl_xor_sync(cuda::kAllLanes, lane.sums[r][i], step);
        lane.sums[r][i] = lane.sums[r][i] * factor + other * other_factor;
      }
    }
  }
}

// Attends from the task's rows to its keys and values; every thread may read `parts` afterwards.
template <class T, int kRows, int kLanes, int kKeys>
__device__ void attend_kv_block(const Task<T>& task, WarpParts<kRows, kLanes>& parts) {
  constexpr int kGroups = cuda::kWarp / kLanes, kPiece = kGroups * kKeys;
  static_assert(kPage % kPiece == 0, "a piece lies in one page");
  const int warp = static_cast<int>(threadIdx.x) / cuda::kWarp;
  const int group = static_cast<int>(threadIdx.x) % cuda::kWarp / kLanes;
  const int column = static_cast<int>(threadIdx.x) % kLanes * kRun;
  const bool has_elements = column < task.kv->heads.size;
  LaneRows<kRows> lane;
  load_rows(lane, task, column);
  for (int first = warp * kPiece; first < task.kv_block.length; first += kWarps * kPiece) {
    const int64_t page = task.kv_block.pages[first / kPage];
    // Key k of this group is token first + group + k · kGroups; those beyond the length stay 0.
    const int left = task.kv_block.length - first - group;
    const int count = left > 0 ? (left + kGroups - 1) / kGroups : 0;
    Run<T> keys[kKeys], values[kKeys];
#pragma unroll
    for (int k = 0; k < kKeys; ++k) {
      const int place = first % kPage + group + k * kGroups;
      if (k >= count || !has_elements) continue;
      keys[k].load(task.kv->key(page, task.kv_head, place) + column);
      values[k].load(task.kv->value(page, task.kv_head, place) + column);
    }
    float scores[kRows][kKeys];
    score<T, kRows, kKeys, kLanes>(lane, keys, count, scores);
#pragma unroll
    for (int r = 0; r < kRows; ++r) weigh(lane, r, scores[r]);
    add_values(lane, values, scores);
  }
  join_groups<kRows, kLanes>(lane);
  if (group == 0) {
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kRun; ++i) parts.sums[warp][r][column + i] = lane.sums[r][i];
      if (column == 0) parts.state[warp][r] = lane.state[r];
    }
  }
  __syncthreads();
}

// Sum and state of element `column` of a row: `first`, then the warps in their order.
struct Joined {
  Softmax state;
  float sum;
};
template <int kRows, int kLanes>
__device__ Joined
join_warps(Joined first, const WarpParts<kRows, kLanes>& parts, int row, int column) {
  float highest = first.state.highest;
  for (int w = 0; w < kWarps; ++w) highest = higher(highest, parts.state[w][row].highest);
  const float factor = factor_of(first.state.highest, highest);
  Joined joined = {{highest, first.state.sum * factor}, first.sum * factor};
  for (int w = 0; w < kWarps; ++w) {
    const float warp_factor = factor_of(parts.state[w][row].highest, highest);
    joined.state.sum += parts.state[w][row].sum * warp_factor;
    joined.sum += parts.sums[w][row][column] * warp_factor;
  }
  return joined;
}

// Query rows that a block takes at a time, keys of a group, lanes of a group: what instances exist.
template <int rows, int keys, int lanes>
struct AttendShape {
  static constexpr int kRows = rows, kKeys = keys, kLanes = lanes;
  static constexpr int kBlocks =
      rows <= 4 ? 2 : 1;  // of a multiprocessor: leaves 128 registers or 255
};

// function(AttendShape) with the smallest instance for a group of G query heads of size D. Larger
// groups are cut: the keys are read once for every 8 (float32: 4) rows.
template <class T, class Function>
void with_attend_shape(const Heads& heads, const Function& function) {
  const auto with_lanes = [&]<int kRows, int kKeys>() {
    if (heads.size <= 8 * kRun) return function(AttendShape<kRows, kKeys, 8>{});
    function(AttendShape<kRows, kKeys, 16>{});
  };
  const int group = heads.group();
  if constexpr (sizeof(T) == sizeof(float)) {
    if (group == 1) return with_lanes.template operator()<1, 4>();
    return with_lanes.template operator()<4, 4>();
  } else {
    if (group == 1) return with_lanes.template operator()<1, 4>();
    if (group <= 3) return with_lanes.template operator()<3, 4>();
    if (group == 4) return with_lanes.template operator()<4, 4>();
    return with_lanes.template operator()<8, 4>();
  }
}

}  // namespace thoughtrank::decode_step
