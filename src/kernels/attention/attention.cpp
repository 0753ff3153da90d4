#include "thoughtrank/kernels/attention.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/attention_state.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/packed_linear.h"

namespace thoughtrank {
namespace {

constexpr int64_t kLargestHead = 256;

struct Projection {
  const float* qkv;        // (M, (H + 2·K)·D)
  const float *cos, *sin;  // (positions, D)
};

// Keys of one token into column `token` of its page: (2 panels, D, 32), bfloat16 (…, D / 2, 32, 2).
template <class T>
void store_key(const T* key, int64_t token, int64_t D, T* page) {
  constexpr int64_t kNeighbours = sizeof(T) == sizeof(float) ? 1 : 2;
  T* panel = page + token / kPanel * D * kPanel;
  for (int64_t d = 0; d < D; ++d) {
    panel[(d / kNeighbours * kPanel + token % kPanel) * kNeighbours + d % kNeighbours] = key[d];
  }
}

// Values of one token: (ceil(D / 32) panels, 64, 32), bfloat16 (…, 32, 32, 2). A bfloat16 pair that
// the last token of a run opens, or the first of a sequence ends, is filled up with a zero: no
// weight meets garbage.
template <class T>
void store_value(const T* value, const KvPlace& place, int64_t D, T* page) {
  constexpr int64_t kNeighbours = sizeof(T) == sizeof(float) ? 1 : 2;
  const int64_t token = place.place % kPageTokens, side = token % kNeighbours;
  const bool fills_up = kNeighbours == 2 && (side == 0 ? place.is_last : place.is_first);
  for (int64_t d = 0; d < D; ++d) {
    T* panel = page + d / kPanel * kPageTokens * kPanel;
    T* pair = panel + (token / kNeighbours * kPanel + d % kPanel) * kNeighbours;
    pair[side] = value[d];
    if (fills_up) pair[1 - side] = 0;
  }
}

template <class Row, class T>
void store_row(const Attention::State& s, int64_t layer, int64_t row, const Projection& in) {
  const RowKernels<Row>& query_kernels = vector_kernels().rows<Row>();
  const RowKernels<T>& kernels = vector_kernels().rows<T>();
  const int64_t D = s.shape.kv.head_dim, H = s.shape.heads, K = s.shape.kv.kv_heads;
  const KvPlace& place = s.places[static_cast<size_t>(row)];
  const KvPool& pool = place.sequence->pool();
  const float* x = in.qkv + row * (H + 2 * K) * D;
  const float* cos = in.cos + place.position * D;
  const float* sin = in.sin + place.position * D;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  for (int64_t h = 0; h < H; ++h) {
    Row* q = s.q_row<Row>(h / s.group, row * s.group + h % s.group);
    query_kernels.rotate(x + h * D, cos, sin, scale, q, D);
  }
  T rotated[kLargestHead], value[kLargestHead];
  for (int64_t k = 0; k < K; ++k) {
    T* page = static_cast<T*>(pool.keys(place.sequence->page(place.place), layer, k));
    const int64_t token = place.place % kPageTokens;
    kernels.rotate(x + (H + k) * D, cos, sin, 1.0f, rotated, D);
    store_key(rotated, token, D, page);
    kernels.scale_to(x + (H + K + k) * D, 1.0f, value, D);
    store_value(value, place, D, page + pool.values_offset());
  }
}

// Softmax of one page's scores (rows, 64) into weights (rows, 64); earlier sums are rescaled.
template <class Row>
void weigh_page(const Attention::State& s,
                const QueryTile& tile,
                int64_t first_place,
                const float* scores,
                Row* weights) {
  const VectorKernels& kernels = vector_kernels();
  for (int64_t r = 0; r < tile.rows; ++r) {
    const int64_t row = tile.first + r;
    const int64_t count =
        std::clamp<int64_t>(s.visible_to(tile, row) - first_place, 0, kPageTokens);
    const float factor = kernels.rows<Row>().softmax_page(
        scores + r * kPageTokens, count, weights + r * kPageTokens, s.softmax_row(tile.head, row));
    if (factor != 1.0f) kernels.scale(s.sums_row(tile.head, row), factor, s.value_width);
  }
}

// Places [from, to) of a page, of one layer and head.
template <class T>
struct PagePart {
  const T *keys, *values;  // of the whole page
  int64_t from, to;
  // What one tile alone reads is brought near ahead of time: its values while its keys are
  // multiplied, the keys of the page after it, if any, with its values.
  const T *values_ahead = nullptr, *keys_ahead = nullptr;
};

template <class T>
const T* ahead(const T* base, int64_t elements) {
  return base == nullptr ? nullptr : base + elements;
}

template <class T>
PagePart<T> page_part(const KvSequence& sequence,
                      int64_t first,
                      int64_t layer,
                      int64_t head,
                      int64_t from,
                      int64_t to) {
  const KvPool& pool = sequence.pool();
  const T* keys = static_cast<const T*>(pool.keys(sequence.page(first), layer, head));
  return {keys, keys + pool.values_offset(), from, to};
}

// scores (rows, 64) of the panels that hold the part: places beside it get what lies there.
template <class Row, class T>
void score_part(const Attention::State& s,
                const QueryTile& tile,
                const PagePart<T>& part,
                float* scores) {
  const auto multiply = vector_kernels().tiles<Row, T>().by_rows[static_cast<size_t>(tile.rows)];
  const int64_t D = s.shape.kv.head_dim;
  for (int64_t place = part.from / kPanel * kPanel; place < part.to; place += kPanel) {
    multiply({.a = s.q_row<Row>(tile.head, tile.first),
              .a_stride = D,
              .panel = part.keys + place * D,
              .depth = D,
              .c = scores + place,
              .c_stride = kPageTokens,
              .accumulates = false,
              .next = ahead(part.values_ahead, place * D)});
  }
}

// sums += weights · values of the part.
template <class Row, class T>
void add_part(const Attention::State& s,
              const QueryTile& tile,
              const PagePart<T>& part,
              const Row* weights) {
  constexpr int64_t kNeighbours = sizeof(T) == sizeof(float) ? 1 : 2;
  const auto multiply = vector_kernels().tiles<Row, T>().by_rows[static_cast<size_t>(tile.rows)];
  const int64_t from = part.from / kNeighbours * kNeighbours;
  const int64_t to = (part.to + kNeighbours - 1) / kNeighbours * kNeighbours;
  for (int64_t column = 0; column < s.value_width; column += kPanel) {
    multiply({.a = weights + from,
              .a_stride = kPageTokens,
              .panel = part.values + column * kPageTokens + from * kPanel,
              .depth = to - from,
              .c = s.sums_row(tile.head, tile.first) + column,
              .c_stride = s.value_width,
              .accumulates = true,
              .next = ahead(part.keys_ahead, column * kPageTokens)});
  }
}

// Copies to `joined` the values of a page whose first places are the prefix's and whose others are
// the sequence's own, as if one of them had them all. Where a pair is cut, each has a zero for the
// other's.
void join_values(const PagePart<Bf16>& of_prefix,
                 const PagePart<Bf16>& own,
                 int64_t width,
                 Bf16* joined) {
  constexpr int64_t kPair = 2 * kPanel;
  const int64_t whole = of_prefix.to / 2 * kPair, cut = (of_prefix.to + 1) / 2 * kPair;
  const int64_t end = (own.to + 1) / 2 * kPair;
  for (int64_t column = 0; column < width; column += kPanel) {
    const int64_t panel = column * kPageTokens;
    const Bf16 *first = of_prefix.values + panel, *second = own.values + panel;
    Bf16* to = joined + panel;
    std::copy(first, first + whole, to);
    for (int64_t i = whole; i < cut; ++i) to[i] = first[i] | second[i];
    std::copy(second + cut, second + end, to + cut);
  }
}

// Sums of bfloat16 go by pairs or by whole tiles of places, so that they are taken as if one page
// held both parts; those of float32 go place by place.
template <class Row, class T>
void add_joined_parts(const Attention::State& s,
                      const QueryTile& tile,
                      const PagePart<T>& of_prefix,
                      const PagePart<T>& own,
                      const Row* weights) {
  if constexpr (std::is_same_v<Row, Bf16>) {
    alignas(kCacheLine) Bf16 joined[kPageTokens * kLargestHead];
    join_values(of_prefix, own, s.value_width, joined);
    add_part<Row, T>(s, tile, {nullptr, joined, 0, own.to}, weights);
  } else {
    add_part(s, tile, of_prefix, weights);
    add_part(s, tile, own, weights);
  }
}

// Adds one page of keys and values to the running softmax of the tile's rows.
template <class Row, class T>
void attend_page(const Attention::State& s,
                 const QueryTile& tile,
                 int64_t layer,
                 int64_t first,
                 int64_t places) {
  alignas(64) float scores[kMostRows * kPageTokens];
  alignas(64) Row weights[kMostRows * kPageTokens];
  const int64_t lent = first == 0 && tile.prefix ? tile.sequence->first_place() : 0;
  auto own = page_part<T>(*tile.sequence, first, layer, tile.head, lent, places);
  if (tile.is_causal) {
    own.values_ahead = own.values;
    const int64_t after = first + kPageTokens;
    if (after < s.visible_to(tile, tile.first + tile.rows - 1)) {
      own.keys_ahead = page_part<T>(*tile.sequence, after, layer, tile.head, 0, 0).keys;
    }
  }
  score_part<Row>(s, tile, own, scores);
  if (lent == 0) {
    weigh_page(s, tile, first, scores, weights);
    return add_part(s, tile, own, weights);
  }
  alignas(64) float lent_scores[kMostRows * kPageTokens];
  const int64_t last = tile.prefix->length() - 1;
  const auto of_prefix = page_part<T>(*tile.prefix, last, layer, tile.head, 0, lent);
  score_part<Row>(s, tile, of_prefix, lent_scores);
  for (int64_t r = 0; r < tile.rows; ++r) {
    std::copy_n(lent_scores + r * kPageTokens, lent, scores + r * kPageTokens);
  }
  weigh_page(s, tile, first, scores, weights);
  add_joined_parts(s, tile, of_prefix, own, weights);
}

template <class Row, class T>
void attend(const Attention::State& s, const QueryTile& tile, int64_t layer) {
  const int64_t places = s.visible_to(tile, tile.first + tile.rows - 1);
  for (int64_t first = 0; first < places; first += kPageTokens) {
    attend_page<Row, T>(s, tile, layer, first, std::min(kPageTokens, places - first));
  }
}

void clear_row(const Attention::State& s, int64_t head, int64_t row) {
  std::fill_n(s.sums_row(head, row), s.value_width, 0.0f);
  s.softmax_row(head, row) = {-std::numeric_limits<float>::infinity(), 0};
}

template <class Row, class T>
void attend_prefix(const Attention::State& s, const QueryTile& tile, int64_t layer) {
  for (int64_t r = 0; r < tile.rows; ++r) clear_row(s, tile.head, tile.first + r);
  attend<Row, T>(s, tile, layer);
}

template <class Row, class T>
void attend_sequence(const Attention::State& s, const QueryTile& tile, int64_t layer, Row* out) {
  for (int64_t row = tile.first; row < tile.first + tile.rows; ++row) {
    if (!tile.prefix || tile.prefix->length() < kPageTokens) clear_row(s, tile.head, row);
  }
  attend<Row, T>(s, tile, layer);
  const int64_t D = s.shape.kv.head_dim;
  for (int64_t row = tile.first; row < tile.first + tile.rows; ++row) {
    const int64_t head = tile.head * s.group + row % s.group;
    Row* to = out + (row / s.group * s.shape.heads + head) * D;
    const float factor = 1.0f / s.softmax_row(tile.head, row).sum;
    vector_kernels().rows<Row>().scale_to(s.sums_row(tile.head, row), factor, to, D);
  }
}

template <class Row, class T>
void apply_typed(
    ThreadPool& pool, const Attention::State& s, int64_t layer, const Projection& in, Row* out) {
  pool.for_each(std::ssize(s.places), [&](int64_t row) { store_row<Row, T>(s, layer, row, in); });
  pool.for_each(std::ssize(s.prefix_tiles), [&](int64_t i) {
    attend_prefix<Row, T>(s, s.prefix_tiles[static_cast<size_t>(i)], layer);
  });
  pool.for_each(std::ssize(s.sequence_tiles), [&](int64_t i) {
    attend_sequence<Row, T>(s, s.sequence_tiles[static_cast<size_t>(i)], layer, out);
  });
}

// Cuts a run's query rows into tiles of about equal height, for every head.
void add_tiles(const Attention::State& s,
               const QueryTile& of_run,
               int64_t rows,
               std::vector<QueryTile>& tiles) {
  const RowCut cut = s.cut(rows * s.group);
  for (int64_t head = 0; head < s.shape.kv.kv_heads; ++head) {
    for (int64_t i = 0; i < cut.tiles; ++i) {
      QueryTile tile = of_run;
      const int64_t first = cut.first(i);
      tile.head = head;
      tile.first = of_run.run_first * s.group + first;
      tile.rows = cut.first(i + 1) - first;
      tiles.push_back(tile);
    }
  }
}

// Extends the run's sequence and plans where its rows go and what they read.
void add_sequence(Attention::State& s, const SequenceRun& run) {
  KvSequence& sequence = *run.sequence;
  const KvSequence* prefix = s.prefix_of[static_cast<size_t>(run.first_row)];
  if (sequence.first_place() != (prefix ? prefix->length() % kPageTokens : 0)) {
    fail(ExitCode::kInternal,
         "a sequence begins at place {} of its page, its prefix has {} tokens",
         sequence.first_place(),
         prefix ? prefix->length() : 0);
  }
  const int64_t before = sequence.length(), first = sequence.first_place() + before;
  sequence.extend(run.rows);
  for (int64_t i = 0; i < run.rows; ++i) {
    s.places[static_cast<size_t>(run.first_row + i)] = {.sequence = run.sequence,
                                                        .place = first + i,
                                                        .position = run.first_position + i,
                                                        .is_first = before + i == 0,
                                                        .is_last = i + 1 == run.rows};
  }
  add_tiles(s,
            {run.sequence, prefix, 0, 0, 0, first + 1, true, run.first_row},
            run.rows,
            s.sequence_tiles);
}

}  // namespace

Attention::Attention(AttentionShape shape, int64_t most_rows) : state_(new State{}) {
  const KvShape& kv = shape.kv;
  if (kv.head_dim > kLargestHead || shape.heads % kv.kv_heads != 0) {
    fail(ExitCode::kConfig,
         "attention needs heads of at most {} and query heads in whole groups, found {}, {} and {}",
         kLargestHead,
         kv.head_dim,
         shape.heads,
         kv.kv_heads);
  }
  State& s = *state_;
  s.shape = shape;
  s.group = shape.heads / kv.kv_heads;
  s.value_width = (kv.head_dim + kPanel - 1) / kPanel * kPanel;
  s.most_rows = most_rows;
  const int64_t rows = most_rows * s.group;
  s.q_memory = at::empty({kv.kv_heads, rows, kv.head_dim}, activation_dtype(kv.dtype));
  s.sums_memory = at::empty({kv.kv_heads, rows, s.value_width}, at::kFloat);
  s.softmax_memory = at::empty({kv.kv_heads, rows, 2}, at::kFloat);
  s.q = s.q_memory.mutable_data_ptr();
  s.sums = s.sums_memory.mutable_data_ptr<float>();
  s.softmax = reinterpret_cast<SoftmaxState*>(s.softmax_memory.mutable_data_ptr<float>());
}

Attention::~Attention() = default;

void Attention::begin(const AttentionBatch& batch) {
  State& s = *state_;
  s.places.assign(static_cast<size_t>(batch.rows), KvPlace{});
  s.prefix_of.assign(static_cast<size_t>(batch.rows), nullptr);
  s.prefix_tiles.clear();
  s.sequence_tiles.clear();
  for (const PrefixRun& run : batch.prefixes) {
    std::fill_n(s.prefix_of.begin() + run.first_row, run.rows, run.prefix);
    const int64_t whole_pages = run.prefix->length() / kPageTokens * kPageTokens;
    if (whole_pages == 0) continue;
    add_tiles(s,
              {run.prefix, nullptr, 0, 0, 0, whole_pages, false, run.first_row},
              run.rows,
              s.prefix_tiles);
  }
  for (const SequenceRun& run : batch.sequences) add_sequence(s, run);
}

void Attention::apply(ThreadPool& pool,
                      int64_t layer,
                      const at::Tensor& qkv,
                      const at::Tensor& cos,
                      const at::Tensor& sin,
                      const at::Tensor& out) {
  const Projection in{
      qkv.const_data_ptr<float>(), cos.const_data_ptr<float>(), sin.const_data_ptr<float>()};
  if (state_->shape.kv.dtype == at::kFloat) {
    apply_typed<float, float>(pool, *state_, layer, in, out.mutable_data_ptr<float>());
  } else if (out.scalar_type() == at::kFloat) {
    apply_typed<float, Bf16>(pool, *state_, layer, in, out.mutable_data_ptr<float>());
  } else {
    apply_typed<Bf16, Bf16>(pool, *state_, layer, in, static_cast<Bf16*>(out.mutable_data_ptr()));
  }
}

}  // namespace thoughtrank
