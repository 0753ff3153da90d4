// The bodies behind VectorKernels, compiled once per instruction set (see floats.inl).

// Into the second-level cache: the first one holds the panel and the rows at work.
THOUGHTRANK_INLINE void bring_near(const void* line) { __builtin_prefetch(line, 0, 2); }

// A tile keeps rows × 32 sums in registers and walks the depth once, two steps at a time.
template <int kRows>
struct TileSums {
  Floats at[kRows][2];

  THOUGHTRANK_INLINE void load_from(const float* c, int64_t stride, bool accumulates) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      at[r][0] = accumulates ? load(c + r * stride) : Floats{};
      at[r][1] = accumulates ? load(c + r * stride + kLanes) : Floats{};
    }
  }
  THOUGHTRANK_INLINE void add_product(const float* a, int64_t stride, Floats left, Floats right) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(a[r * stride]);
      at[r][0] += x * left;
      at[r][1] += x * right;
    }
  }
  THOUGHTRANK_INLINE void store_to(float* c, int64_t stride) const {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      store(c + r * stride, at[r][0]);
      store(c + r * stride + kLanes, at[r][1]);
    }
  }
};

template <int kRows>
void tile_f32(const Tile<float, float>& t) {
  TileSums<kRows> sums;
  sums.load_from(t.c, t.c_stride, t.accumulates);
  const char* next = static_cast<const char*>(t.next);
  const float* panel = t.panel;
  const int64_t even = t.depth / 2 * 2;
  for (int64_t k = 0; k < even; k += 2, panel += 2 * kPanel, next += kCacheLine) {
    bring_near(next);
    sums.add_product(t.a + k, t.a_stride, load(panel), load(panel + kLanes));
    sums.add_product(t.a + k + 1, t.a_stride, load(panel + kPanel), load(panel + kPanel + kLanes));
  }
  if (even < t.depth) {
    sums.add_product(t.a + even, t.a_stride, load(panel), load(panel + kLanes));
  }
  sums.store_to(t.c, t.c_stride);
}

template <int kRows, bool kKeeps>
void multiply_widening(const Tile<float, Bf16>& t) {
  TileSums<kRows> sums;
  sums.load_from(t.c, t.c_stride, t.accumulates);
  const char* next = static_cast<const char*>(t.next);
  const Bf16* panel = t.panel;
  float* wide = t.wide;
  for (int64_t k = 0; k < t.depth; k += 2, panel += 2 * kPanel, next += kCacheLine / 2) {
    bring_near(next);
    const Words left = load_bytes<Words>(panel), right = load_bytes<Words>(panel + 2 * kLanes);
    const Floats first[] = {even_halves(left), even_halves(right)};
    const Floats second[] = {odd_halves(left), odd_halves(right)};
    if constexpr (kKeeps) {
      store(wide, first[0]);
      store(wide + kLanes, first[1]);
      store(wide + kPanel, second[0]);
      store(wide + kPanel + kLanes, second[1]);
      wide += 2 * kPanel;
    }
    sums.add_product(t.a + k, t.a_stride, first[0], first[1]);
    sums.add_product(t.a + k + 1, t.a_stride, second[0], second[1]);
  }
  sums.store_to(t.c, t.c_stride);
}

template <int kRows>
void tile_widening(const Tile<float, Bf16>& t) {
  t.wide != nullptr ? multiply_widening<kRows, true>(t) : multiply_widening<kRows, false>(t);
}

template <class T>
void rms_norm(float* x, const float* delta, const float* weight, float eps, T* out, int64_t C) {
  const int64_t whole = C / kLanes * kLanes, rest = C - whole;
  Floats squares{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats v = delta ? load(x + i) + load(delta + i) : load(x + i);
    store(x + i, v);
    squares += v * v;
  }
  if (rest > 0) {
    Floats v = load_some(x + whole, rest);
    if (delta) v += load_some(delta + whole, rest);
    store_some(x + whole, v, rest);
    squares += v * v;
  }
  const float factor = 1.0f / __builtin_sqrtf(sum_of(squares) / static_cast<float>(C) + eps);
  for (int64_t i = 0; i < whole; i += kLanes)
    store(out + i, load(x + i) * factor * load(weight + i));
  if (rest > 0) {
    const Floats v = load_some(x + whole, rest) * factor * load_some(weight + whole, rest);
    store_some(out + whole, v, rest);
  }
}

template <class T>
void silu_mul(const float* gate, const float* up, T* out, int64_t F) {
  const int64_t whole = F / kLanes * kLanes, rest = F - whole;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats g = load(gate + i);
    store(out + i, g / (1.0f + exponential(-g)) * load(up + i));
  }
  if (rest > 0) {
    const Floats g = load_some(gate + whole, rest);
    store_some(out + whole, g / (1.0f + exponential(-g)) * load_some(up + whole, rest), rest);
  }
}

THOUGHTRANK_INLINE Ints lane_ids(int64_t first) {
  const Ints lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lanes + static_cast<int32_t>(first);
}

template <class T>
float softmax_page(const float* scores, int64_t count, T* weights, SoftmaxState& state) {
  constexpr int64_t kGroups = kPageTokens / kLanes;
  const Floats lowest = broadcast(-__builtin_inff());
  Floats masked[kGroups];
  Floats highest = lowest;
#pragma GCC unroll 4
  for (int64_t g = 0; g < kGroups; ++g) {
    const auto is_in = lane_ids(g * kLanes) < static_cast<int32_t>(count);
    masked[g] = is_in ? load(scores + g * kLanes) : lowest;
    highest = larger(highest, masked[g]);
  }
  const float before = state.highest;
  const float now = highest_of(larger(highest, broadcast(before)));
  Floats sum{};
#pragma GCC unroll 4
  for (int64_t g = 0; g < kGroups; ++g) {
    const auto is_in = lane_ids(g * kLanes) < static_cast<int32_t>(count);
    const Floats weight = is_in ? exponential(masked[g] - now) : Floats{};
    store(weights + g * kLanes, weight);
    sum += weight;
  }
  const float factor = before == now ? 1.0f : exponential(broadcast(before - now))[0];
  state.highest = now;
  state.sum = state.sum * factor + sum_of(sum);
  return factor;
}

template <class T>
void scale_to(const float* acc, float factor, T* out, int64_t D) {
  const int64_t whole = D / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) store(out + i, load(acc + i) * factor);
  if (whole < D) store_some(out + whole, load_some(acc + whole, D - whole) * factor, D - whole);
}

template <class T>
void rotate(const float* x, const float* cos, const float* sin, float scale, T* out, int64_t D) {
  const int64_t half = D / 2, whole = half / kLanes * kLanes, rest = half - whole;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats low = load(x + i), high = load(x + half + i), c = load(cos + i), s = load(sin + i);
    store(out + i, (low * c - high * s) * scale);
    store(out + half + i, (high * c + low * s) * scale);
  }
  if (rest == 0) return;
  const Floats low = load_some(x + whole, rest), high = load_some(x + half + whole, rest);
  const Floats c = load_some(cos + whole, rest), s = load_some(sin + whole, rest);
  store_some(out + whole, (low * c - high * s) * scale, rest);
  store_some(out + half + whole, (high * c + low * s) * scale, rest);
}

void scale(float* x, float factor, int64_t n) {
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) store(x + i, load(x + i) * factor);
  for (int64_t i = whole; i < n; ++i) x[i] *= factor;
}

// The highest and second highest of all lanes; ties give the lowest id.
THOUGHTRANK_INLINE LogitsSummary fold_lanes(Floats best, Floats second, Ints ids) {
  LogitsSummary all{ids[0], best[0], second[0], 0, true};
  for (int i = 1; i < kLanes; ++i) {
    const bool wins = best[i] > all.best || (best[i] == all.best && ids[i] < all.best_id);
    const float loser = wins ? all.best : best[i];
    if (wins) {
      all.best = best[i];
      all.best_id = ids[i];
    }
    const float runner_up = second[i] > loser ? second[i] : loser;
    all.second = runner_up > all.second ? runner_up : all.second;
  }
  return all;
}

LogitsSummary summarize(const float* logits, int64_t n) {
  const Floats lowest = broadcast(-__builtin_inff());
  const Floats largest = broadcast(__FLT_MAX__);
  Floats best = lowest, second = lowest;
  Ints ids{}, bad{};
  for (int64_t i = 0; i < n; i += kLanes) {
    const auto is_in = lane_ids(i) < static_cast<int32_t>(n);
    const Floats v = n - i >= kLanes ? load(logits + i) : load_some(logits + i, n - i);
    bad |= is_in & ~((v <= largest) & (v >= -largest));  // NaN compares false
    const Floats x = is_in ? v : lowest;
    const auto wins = x > best;
    second = larger(second, wins ? best : x);
    best = wins ? x : best;
    ids = wins ? lane_ids(i) : ids;
  }
  LogitsSummary all = fold_lanes(best, second, ids);
  Floats sum{};
  for (int64_t i = 0; i < n; i += kLanes) {
    const auto is_in = lane_ids(i) < static_cast<int32_t>(n);
    const Floats v = n - i >= kLanes ? load(logits + i) : load_some(logits + i, n - i);
    sum += is_in ? exponential(v - all.best) : Floats{};
  }
  all.sum = sum_of(sum);
  for (int i = 0; i < kLanes; ++i) all.is_finite = all.is_finite && bad[i] == 0;
  return all;
}

template <class T>
RowKernels<T> row_kernels() {
  return {.rms_norm = rms_norm<T>,
          .silu_mul = silu_mul<T>,
          .softmax_page = softmax_page<T>,
          .scale_to = scale_to<T>,
          .rotate = rotate<T>};
}

template <int... kBefore>
VectorKernels kernels_for(std::integer_sequence<int, kBefore...>) {
  return {.f32 = row_kernels<float>(),
          .bf16 = row_kernels<Bf16>(),
          .f32_tiles = {.by_rows = {nullptr, tile_f32<kBefore + 1>...},
                        .most_rows = sizeof...(kBefore)},
          .widening_tiles = {.by_rows = {nullptr, tile_widening<kBefore + 1>...},
                             .most_rows = sizeof...(kBefore)},
          .dot_tiles = {},
          .scale = scale,
          .summarize = summarize};
}
