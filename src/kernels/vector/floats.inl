// Sixteen floats at a time, as GCC's generic vectors: one AVX-512 register, two of AVX2 or four of
// SSE. Included by each instruction set's source inside its `#pragma GCC target`, so everything has
// internal linkage.
using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Words = uint32_t __attribute__((vector_size(64)));
using Halves = uint16_t __attribute__((vector_size(32)));

constexpr int64_t kLanes = 16;

#define THOUGHTRANK_INLINE [[gnu::always_inline]] inline

THOUGHTRANK_INLINE Floats broadcast(float x) { return x - Floats{}; }

template <class Vector, class T>
THOUGHTRANK_INLINE Vector load_bytes(const T* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}

THOUGHTRANK_INLINE Floats load(const float* from) { return load_bytes<Floats>(from); }
THOUGHTRANK_INLINE void store(float* to, Floats v) { __builtin_memcpy(to, &v, sizeof(v)); }

// Round to nearest even; a NaN stays one.
THOUGHTRANK_INLINE void store(Bf16* to, Floats v) {
  const Words bits = reinterpret_cast<Words>(v);
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words kept = v == v ? rounded : (bits >> 16) | 0x40u;
  const Halves halves = __builtin_convertvector(kept, Halves);
  __builtin_memcpy(to, &halves, sizeof(halves));
}

// The first `n` lanes; zeros in the others.
THOUGHTRANK_INLINE Floats load_some(const float* from, int64_t n) {
  Floats v{};
  __builtin_memcpy(&v, from, static_cast<std::size_t>(n) * sizeof(float));
  return v;
}

template <class T>
THOUGHTRANK_INLINE void store_some(T* to, Floats v, int64_t n) {
  T lanes[kLanes];
  store(lanes, v);
  __builtin_memcpy(to, lanes, static_cast<std::size_t>(n) * sizeof(T));
}

// The even and the odd bfloat16 of 16 pairs.
THOUGHTRANK_INLINE Floats even_halves(Words pairs) { return reinterpret_cast<Floats>(pairs << 16); }
THOUGHTRANK_INLINE Floats odd_halves(Words pairs) {
  return reinterpret_cast<Floats>(pairs & 0xffff0000u);
}

THOUGHTRANK_INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }

// Halves meet halves until one lane is left: one order for all instruction sets.
template <class Join>
THOUGHTRANK_INLINE float fold(Floats v, Join join) {
  using Eight = float __attribute__((vector_size(32)));
  using Four = float __attribute__((vector_size(16)));
  const Eight low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const Eight high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const Eight eight = join(low, high);
  const Four four = join(__builtin_shufflevector(eight, eight, 0, 1, 2, 3),
                         __builtin_shufflevector(eight, eight, 4, 5, 6, 7));
  return join(join(four[0], four[2]), join(four[1], four[3]));
}

THOUGHTRANK_INLINE float sum_of(Floats v) {
  return fold(v, [](auto a, auto b) { return a + b; });
}

THOUGHTRANK_INLINE float highest_of(Floats v) {
  return fold(v, [](auto a, auto b) { return a > b ? a : b; });
}

// e^x to about one unit in the last place (Cephes expf); below -87 it is about 1e-38, above 88 it
// stays at e^88.
THOUGHTRANK_INLINE Floats exponential(Floats x) {
  const Floats low = broadcast(-87.3f), high = broadcast(88.3f);
  x = x < low ? low : x;  // a NaN stays one
  x = x > high ? high : x;
  const Floats magic = broadcast(12582912.0f);  // 1.5 · 2^23: adding it rounds to an integer
  const Floats n = (x * 1.44269504088896341f + magic) - magic;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  return p * reinterpret_cast<Floats>(power);
}
