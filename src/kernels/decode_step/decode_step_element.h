// The arithmetic and the indices of a decoding step, element by element, for the CUDA kernels and
// the tests of their indices (nvcc compiles constexpr functions for the device with
// --expt-relaxed-constexpr). Knows no tensors. What a step computes is said in
// thoughtrank/kernels/decode_step.h.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace thoughtrank::decode_step {

using Bf16 = uint16_t;  // its bits: the upper half of a float32

inline constexpr int kPage = 64;  // tokens of a page of keys and values
inline constexpr int kTile = 16;  // query rows of an attention tile
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr float widen(float value) { return value; }
constexpr float widen(Bf16 bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// A float32 as T: bfloat16 takes the nearest, even on ties; NaN stays NaN.
template <class T>
constexpr T narrow(float value);
template <>
constexpr float narrow<float>(float value) {
  return value;
}
template <>
constexpr Bf16 narrow<Bf16>(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<Bf16>(bits >> 16 | 0x40u);
  return static_cast<Bf16>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

constexpr bool is_finite(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7F800000u) != 0x7F800000u;
}

// `b` only where it is greater: a NaN never becomes the highest.
constexpr float higher(float a, float b) { return b > a ? b : a; }

constexpr float silu_mul(float gate, float up) { return gate / (1.0f + std::exp(-gate)) * up; }

// Elements d and d + D/2 of a head, which turn together.
struct Pair {
  float low, high;
};
// Hugging Face's rotate_half: x · cos + (−high, low) · sin.
constexpr Pair rotate(Pair x, Pair cos, Pair sin) {
  return {x.low * cos.low - x.high * sin.low, x.high * cos.high + x.low * sin.high};
}

// Running softmax of a query row over some keys (Milakov and Gimelshein, 2018).
struct Softmax {
  float highest;  // score
  float sum;      // of exp(score − highest)
};
constexpr Softmax no_keys() { return {-kInfinity, 0}; }
// What scores are taken relative to: never an infinity, so that no keys at all give weights of 0.
constexpr float reference_of(float highest) { return highest == -kInfinity ? 0.0f : highest; }
// The factor of sums that were taken relative to `highest` when they are joined to `joint`.
constexpr float factor_of(float highest, float joint) {
  return std::exp(highest - reference_of(joint));
}

// The best of some logits.
struct Choice {
  float best, second;
  int id;
  float sum;  // of exp(logit − best)
  bool is_finite;
};
inline constexpr int kNoId = std::numeric_limits<int>::max();
constexpr Choice no_logits() { return {-kInfinity, -kInfinity, kNoId, 0, true}; }
// The higher logit wins, the lower id on ties. The ids of `a` and `b` differ.
constexpr Choice join(const Choice& a, const Choice& b) {
  const bool b_wins = b.best > a.best || (b.best == a.best && b.id < a.id);
  const Choice& winner = b_wins ? b : a;
  const Choice& other = b_wins ? a : b;
  return {winner.best,
          higher(winner.second, other.best),
          winner.id,
          winner.sum + other.sum * factor_of(other.best, winner.best),
          a.is_finite && b.is_finite};
}
// NaN wins against nothing, and makes the sum NaN.
constexpr Choice with(const Choice& choice, float logit, int id) {
  return join(choice, {logit, -kInfinity, id, 1, is_finite(logit)});
}
constexpr int chosen_id(const Choice& c) { return c.id == kNoId ? 0 : c.id; }
constexpr float log_probability(const Choice& c) { return -std::log(c.sum); }

// Query heads h·G … h·G + G − 1 read key/value head h.
struct Heads {
  int query, kv, size;                                                              // H, K, D
  [[nodiscard]] constexpr int group() const { return query / kv; }                  // G
  [[nodiscard]] constexpr int64_t row() const { return (query + 2L * kv) * size; }  // of qkv
};

// One layer of the pages (pages, L, K, 2, 64, D).
template <class T>
struct KvLayer {
  T* pages;
  int layers, layer;
  Heads heads;

  [[nodiscard]] constexpr T* key(int64_t page, int kv_head, int place) const {
    const int64_t block = (page * layers + layer) * heads.kv + kv_head;
    return pages + (block * 2 * kPage + place) * heads.size;
  }
  [[nodiscard]] constexpr T* value(int64_t page, int kv_head, int place) const {
    return key(page, kv_head, place) + int64_t{kPage} * heads.size;
  }
};

// The numbers of a SlotTable.
struct Slots {
  int count, most_suffix_pages, most_prefix_pages, slots_of_tile;
  const int32_t *token, *position, *length, *prefix_length;
  const int32_t *suffix_pages, *prefix_pages, *prefix_tiles;

  [[nodiscard]] constexpr bool reads_prefix(int slot) const {
    return length[slot] > 0 && prefix_length[slot] > 0;
  }
};

// Some keys of one sequence: `length` tokens, page i of which is pages[i].
struct KvBlock {
  const int32_t* pages;
  int length;
};
constexpr KvBlock suffix_of(const Slots& slots, int slot) {
  return {slots.suffix_pages + int64_t{slot} * slots.most_suffix_pages, slots.length[slot]};
}
constexpr KvBlock prefix_of(const Slots& slots, int slot) {
  return {slots.prefix_pages + int64_t{slot} * slots.most_prefix_pages,
          slots.reads_prefix(slot) ? slots.prefix_length[slot] : 0};
}

// The slot and query head of row `row` of a tile: G rows per slot. slot −1: the row is idle.
struct TileRow {
  int slot, head;
};
constexpr TileRow tile_row(const Slots& slots, const Heads& heads, int tile, int kv_head, int row) {
  const int group = heads.group(), entry = row / group;
  const int slot = entry < slots.slots_of_tile
                       ? slots.prefix_tiles[int64_t{tile} * slots.slots_of_tile + entry]
                       : -1;
  if (slot < 0 || !slots.reads_prefix(slot)) return {-1, 0};
  return {slot, kv_head * group + row % group};
}
// A slot of the tile that reads its prefix; −1: all rows are idle.
constexpr int tile_leader(const Slots& slots, int tile) {
  for (int entry = 0; entry < slots.slots_of_tile; ++entry) {
    const int slot = slots.prefix_tiles[int64_t{tile} * slots.slots_of_tile + entry];
    if (slot >= 0 && slots.reads_prefix(slot)) return slot;
  }
  return -1;
}

}  // namespace thoughtrank::decode_step
