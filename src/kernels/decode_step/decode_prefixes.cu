#include "kernels/decode_step/attend_kv_block.cuh"
#include "kernels/decode_step/decode_step_operations.h"
#include "kernels/decode_step/mma_lanes.h"

// Attention to prefixes: bfloat16 heads of 64 and 128 in tiles of 16 query rows on tensor cores,
// which read a prefix once per tile; everything else slot by slot with plain multiply-adds.
namespace thoughtrank::decode_step {
namespace {

// A block per slot, key/value head and kRows of its query rows.
template <class T, class Shape>
__global__ void __launch_bounds__(kAttendThreads, Shape::kBlocks)
    prefixes_kernel(AttendPrefixes<T> o) {
  constexpr int kRows = Shape::kRows, kLanes = Shape::kLanes;
  __shared__ WarpParts<kRows, kLanes> parts;
  const Heads& heads = o.kv.heads;
  const int slot = static_cast<int>(blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  const int first_row = static_cast<int>(blockIdx.z) * kRows, D = heads.size;
  const int rows = heads.group() - first_row < kRows ? heads.group() - first_row : kRows;
  const int head = kv_head * heads.group() + first_row;
  const KvBlock prefix = prefix_of(o.slots, slot);
  const T* queries = o.qkv + slot * heads.row() + int64_t{head} * D;
  attend_kv_block<T, kRows, kLanes, Shape::kKeys>({queries, rows, prefix, &o.kv, kv_head}, parts);
  for (int i = threadIdx.x; i < rows * D; i += kAttendThreads) {
    const int row = i / D, column = i % D;
    const int64_t to = int64_t{slot} * heads.query + head + row;
    const Joined joined = join_warps(Joined{no_keys(), 0}, parts, row, column);
    o.sums[to * D + column] = joined.sum;
    if (column == 0) {
      o.states[to * 2] = joined.state.highest;
      o.states[to * 2 + 1] = joined.state.sum;
    }
  }
}

constexpr int kTileWarps = 4, kTileThreads = kTileWarps * cuda::kWarp;
constexpr int kPiece = 16;   // keys that a warp multiplies at a time: the depth of an MMA
constexpr int kStages = 3;   // pieces of a warp in shared memory: two under way, one in use
constexpr int kColumns = 8;  // of an MMA's result

// Keys, then values, of one piece: swizzled tiles (kPiece, D).
template <int D>
inline constexpr int kStageElements = 2 * kPiece* D;
template <int D>
inline constexpr int kTileBytes = kTileWarps* kStages* kStageElements<D>* int(sizeof(Bf16));

// What the warps of a block hand over, where the pieces lay.
template <int D>
struct TileParts {
  float sums[kTileWarps][kTile][D];
  Softmax state[kTileWarps][kTile];
};
static_assert(sizeof(TileParts<64>) <= kTileBytes<64> && sizeof(TileParts<128>) <= kTileBytes<128>);

// A lane's part of a warp's tile: its rows are lane / 4 and lane / 4 + 8.
template <int D>
struct TileLane {
  uint32_t queries[D / 16][4];
  float sums[D / kColumns][4];
  Softmax state[2];  // `sum` of this lane's columns only
};

// The queries as factors of the MMA; idle rows are 0.
template <int D>
__device__ void load_queries(
    TileLane<D>& lane, const AttendPrefixes<Bf16>& o, int tile, int kv_head, int lane_id) {
  const Heads& heads = o.kv.heads;
#pragma unroll
  for (int reg = 0; reg < 4; ++reg) {
    const mma::Cell cell = mma::a_cell(lane_id, reg);
    const TileRow row = tile_row(o.slots, heads, tile, kv_head, cell.row);
    const bool is_idle = row.slot < 0;
    const int64_t head = is_idle ? 0 : row.slot * heads.row() + int64_t{row.head} * D;
    const Bf16* query = o.qkv + head + cell.column;
#pragma unroll
    for (int depth = 0; depth < D / 16; ++depth) {
      lane.queries[depth][reg] =
          is_idle ? 0u : *reinterpret_cast<const uint32_t*>(query + depth * 16);
    }
  }
}

// Begins to copy a piece's keys and values; those beyond the length become 0.
template <int D>
__device__ void begin_copy(Bf16* stage,
                           const KvBlock& prefix,
                           const KvLayer<const Bf16>& kv,
                           int kv_head,
                           int first,
                           int lane_id) {
  constexpr int kRuns = D / kRun;  // of a key
  const int64_t page = prefix.pages[first / kPage];
#pragma unroll
  for (int n = lane_id; n < kPiece * kRuns; n += cuda::kWarp) {
    const int row = n / kRuns, column = n % kRuns * kRun;
    const bool is_there = first + row < prefix.length;
    const Bf16* key = kv.key(page, kv_head, first % kPage + row) + column;
    Bf16* to = stage + mma::swizzled(row, column, D);
    cuda::copy_async(to, key, is_there);
    cuda::copy_async(to + kPiece * D, key + kPage * D, is_there);
  }
}

// scores (16 rows, 16 keys), two results of 8 columns.
template <int D>
__device__ void multiply_keys(const TileLane<D>& lane,
                              const Bf16* stage,
                              int lane_id,
                              float (&scores)[2][4]) {
  const mma::Cell cell = mma::key_row(lane_id);
#pragma unroll
  for (int depth = 0; depth < D / 16; ++depth) {
    uint32_t keys[4];
    cuda::load_matrices(keys, stage + mma::swizzled(cell.row, depth * 16 + cell.column, D));
    cuda::multiply_add(scores[0], lane.queries[depth], keys[0], keys[1]);
    cuda::multiply_add(scores[1], lane.queries[depth], keys[2], keys[3]);
  }
}

// The highest of a row, which four neighbouring lanes hold.
__device__ inline float highest_of_row(float value) {
  value = higher(value, __shfl_xor_sync(cuda::kAllLanes, value, 1));
  return higher(value, __shfl_xor_sync(cuda::kAllLanes, value, 2));
}

// Scores of the first `count` keys to weights, the others weigh 0; earlier sums are rescaled.
template <int D>
__device__ void weigh(TileLane<D>& lane, int lane_id, int count, float (&scores)[2][4]) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
#pragma unroll
  for (int half = 0; half < 2; ++half) {  // rows lane / 4 and lane / 4 + 8
    Softmax& state = lane.state[half];
    float highest = state.highest;
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      float& score = scores[n / 2][half * 2 + n % 2];
      const int key = n / 2 * kColumns + mma::c_cell(lane_id, n % 2).column;
      score = key < count ? score * scale : -kInfinity;
      highest = higher(highest, score);
    }
    highest = highest_of_row(highest);
    const float factor = factor_of(state.highest, highest);
    state = {highest, state.sum * factor};
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      float& score = scores[n / 2][half * 2 + n % 2];
      score = factor_of(score, highest);
      state.sum += score;
    }
#pragma unroll
    for (int column = 0; column < D / kColumns; ++column) {
      lane.sums[column][half * 2] *= factor;
      lane.sums[column][half * 2 + 1] *= factor;
    }
  }
}

__device__ inline uint32_t packed(float low, float high) {
  return uint32_t{narrow<Bf16>(high)} << 16 | narrow<Bf16>(low);
}

// sums (16 rows, D) += weights (16, 16 keys) · values: the results of the scores are, rounded, the
// factors of this product.
template <int D>
__device__ void multiply_values(TileLane<D>& lane,
                                const Bf16* stage,
                                int lane_id,
                                const float (&weights)[2][4]) {
  const uint32_t factors[4] = {packed(weights[0][0], weights[0][1]),
                               packed(weights[0][2], weights[0][3]),
                               packed(weights[1][0], weights[1][1]),
                               packed(weights[1][2], weights[1][3])};
  const mma::Cell cell = mma::value_row(lane_id);
  const Bf16* values = stage + kPiece * D;
#pragma unroll
  for (int column = 0; column < D; column += 2 * kColumns) {
    uint32_t columns[4];
    cuda::load_transposed_matrices(columns,
                                   values + mma::swizzled(cell.row, column + cell.column, D));
    cuda::multiply_add(lane.sums[column / kColumns], factors, columns[0], columns[1]);
    cuda::multiply_add(lane.sums[column / kColumns + 1], factors, columns[2], columns[3]);
  }
}

// A warp's walk over the pieces w, w + kTileWarps, …: while one is multiplied, the next two come.
template <int D>
__device__ void attend_pieces(TileLane<D>& lane,
                              Bf16* stages,
                              const KvBlock& prefix,
                              const KvLayer<const Bf16>& kv,
                              int kv_head) {
  const int warp = static_cast<int>(threadIdx.x) / cuda::kWarp;
  const int lane_id = static_cast<int>(threadIdx.x) % cuda::kWarp;
  constexpr int kStep = kTileWarps * kPiece;
  const auto copy_piece = [&](int n) {  // the n-th of this warp; a group even where there is none
    const int first = warp * kPiece + n * kStep;
    Bf16* stage = stages + n % kStages * kStageElements<D>;
    if (first < prefix.length) begin_copy<D>(stage, prefix, kv, kv_head, first, lane_id);
    cuda::commit_copies();
  };
  for (int n = 0; n < kStages - 1; ++n) copy_piece(n);
  for (int n = 0; warp * kPiece + n * kStep < prefix.length; ++n) {
    cuda::wait_for_copies<kStages - 2>();
    __syncwarp();  // all lanes' copies are here, and none reads the stage that is filled next
    copy_piece(n + kStages - 1);
    const Bf16* stage = stages + n % kStages * kStageElements<D>;
    float scores[2][4] = {};
    multiply_keys(lane, stage, lane_id, scores);
    weigh(lane, lane_id, prefix.length - warp * kPiece - n * kStep, scores);
    multiply_values(lane, stage, lane_id, scores);
  }
  cuda::wait_for_copies<0>();
}

template <int D>
__device__ void hand_over(const TileLane<D>& lane, TileParts<D>& parts) {
  const int warp = static_cast<int>(threadIdx.x) / cuda::kWarp;
  const int lane_id = static_cast<int>(threadIdx.x) % cuda::kWarp;
#pragma unroll
  for (int column = 0; column < D / kColumns; ++column) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const mma::Cell cell = mma::c_cell(lane_id, i);
      parts.sums[warp][cell.row][column * kColumns + cell.column] = lane.sums[column][i];
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    Softmax state = lane.state[half];
    state.sum += __shfl_xor_sync(cuda::kAllLanes, state.sum, 1);
    state.sum += __shfl_xor_sync(cuda::kAllLanes, state.sum, 2);
    if (lane_id % 4 == 0) parts.state[warp][lane_id / 4 + half * 8] = state;
  }
}

// Rows of slots that read no prefix; a block clears those of the slot of its own number.
__device__ inline void clear_idle(const AttendPrefixes<Bf16>& o, int slot, int kv_head) {
  if (o.slots.reads_prefix(slot)) return;
  const Heads& heads = o.kv.heads;
  const int64_t first = int64_t{slot} * heads.query + kv_head * heads.group();
  for (int i = threadIdx.x; i < heads.group() * heads.size; i += kTileThreads) {
    o.sums[first * heads.size + i] = 0;
  }
  for (int i = threadIdx.x; i < heads.group() * 2; i += kTileThreads) {
    o.states[first * 2 + i] = i % 2 == 0 ? -kInfinity : 0.0f;
  }
}

// Joins the warps in their order and stores the rows that are not idle.
template <int D>
__device__ void store_tile(const AttendPrefixes<Bf16>& o,
                           const TileParts<D>& parts,
                           int tile,
                           int kv_head) {
  for (int i = threadIdx.x; i < kTile * D; i += kTileThreads) {
    const int r = i / D, column = i % D;
    const TileRow row = tile_row(o.slots, o.kv.heads, tile, kv_head, r);
    if (row.slot < 0) continue;
    Softmax state = no_keys();
    for (int w = 0; w < kTileWarps; ++w) {
      state.highest = higher(state.highest, parts.state[w][r].highest);
    }
    float sum = 0;
    for (int w = 0; w < kTileWarps; ++w) {
      const float factor = factor_of(parts.state[w][r].highest, state.highest);
      state.sum += parts.state[w][r].sum * factor;
      sum += parts.sums[w][r][column] * factor;
    }
    const int64_t to = int64_t{row.slot} * o.kv.heads.query + row.head;
    o.sums[to * D + column] = sum;
    if (column == 0) {
      o.states[to * 2] = state.highest;
      o.states[to * 2 + 1] = state.sum;
    }
  }
}

// A block per tile and key/value head.
template <int D>
__global__ void __launch_bounds__(kTileThreads) prefix_tiles_kernel(AttendPrefixes<Bf16> o) {
  const int tile = static_cast<int>(blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  clear_idle(o, tile, kv_head);
  const int leader = tile_leader(o.slots, tile);
  if (leader < 0) return;
  const int warp = static_cast<int>(threadIdx.x) / cuda::kWarp;
  const int lane_id = static_cast<int>(threadIdx.x) % cuda::kWarp;
  Bf16* shared = cuda::dynamic_shared();
  TileLane<D> lane = {.queries = {}, .sums = {}, .state = {no_keys(), no_keys()}};
  load_queries(lane, o, tile, kv_head, lane_id);
  Bf16* stages = shared + warp * kStages * kStageElements<D>;
  attend_pieces(lane, stages, prefix_of(o.slots, leader), o.kv, kv_head);
  __syncthreads();  // nobody reads pieces any more: the parts take their place
  auto& parts = *reinterpret_cast<TileParts<D>*>(shared);
  hand_over(lane, parts);
  __syncthreads();
  store_tile(o, parts, tile, kv_head);
}

template <int D>
void run_tiles(const AttendPrefixes<Bf16>& o, cuda::Stream stream) {
  const dim3 blocks(static_cast<unsigned>(o.slots.count), static_cast<unsigned>(o.kv.heads.kv));
  cuda::launch(
      "attend_prefixes", prefix_tiles_kernel<D>, blocks, kTileThreads, o, stream, kTileBytes<D>);
}

template <class T>
void run_plain(const AttendPrefixes<T>& o, cuda::Stream stream) {
  with_attend_shape<T>(o.kv.heads, [&]<class Shape>(Shape) {
    const int parts = (o.kv.heads.group() + Shape::kRows - 1) / Shape::kRows;
    const dim3 blocks(static_cast<unsigned>(o.slots.count),
                      static_cast<unsigned>(o.kv.heads.kv),
                      static_cast<unsigned>(parts));
    cuda::launch("attend_prefixes", prefixes_kernel<T, Shape>, blocks, kAttendThreads, o, stream);
  });
}

}  // namespace

template <>
void launch(const AttendPrefixes<float>& o, cuda::Stream stream) {
  run_plain(o, stream);
}

template <>
void launch(const AttendPrefixes<Bf16>& o, cuda::Stream stream) {
  if (o.kv.heads.size == 64) return run_tiles<64>(o, stream);
  if (o.kv.heads.size == 128) return run_tiles<128>(o, stream);
  run_plain(o, stream);
}

}  // namespace thoughtrank::decode_step
