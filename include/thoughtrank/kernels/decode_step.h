// The operations of one decoding step over a fixed number of slots, for a GPU: everything beside
// the matrix products. All tensors are contiguous and on one device. On CUDA an operation is
// enqueued on the current stream, allocates nothing and waits for nothing, so that a step can be
// captured in a CUDA graph; on the CPU the same element functions run in plain loops (the twin that
// tests compare with PyTorch, and that carries the engine where there is no GPU). A slot's
// arithmetic depends on its own row, prefix and suffix only: no sum is cut by the number of live
// slots.
//
// Tensors that do not fit are Error(kInternal): C, F and D are multiples of 8, D is at most 128,
// and a key/value head has at most 16 query heads (G = H / K). What a table says (tokens,
// positions, pages, lengths) is not checked. Before a step is captured it runs once, so that its
// kernels are loaded.
//
// R rows (slots, or tokens of a prompt), B slots, T float32 or bfloat16, the weights' type; sums,
// norms and softmax are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace thoughtrank {

inline constexpr int64_t kTileRows = 16;  // query rows of an attention tile: an MMA's height

// Keys and values of all sequences in pages of 64 tokens: (pages, L, K, 2, 64, D), keys before
// values.
struct DeviceKv {
  at::Tensor pages;
};

// What a step must know of its slots, in one tensor, so that one copy brings it to the device.
struct SlotTable {
  at::Tensor memory;         // all numbers, int32; the following are views of it
  at::Tensor token;          // (B) the token that the slot reads now; -1: the one it chose last
  at::Tensor position;       // (B) of that token in the text
  at::Tensor length;         // (B) tokens of the suffix, that one included; 0: the slot is empty
  at::Tensor prefix_length;  // (B)
  at::Tensor suffix_pages;   // (B, most suffix pages)
  at::Tensor prefix_pages;   // (B, most prefix pages)
  // (B, slots of a tile) slots that read one prefix together, -1: none. Slots of a tile:
  // kTileRows / G, at least 1.
  at::Tensor prefix_tiles;
};

struct SlotTableShape {
  int64_t slots = 0;
  int64_t suffix_pages = 0;
  int64_t prefix_pages = 0;
  int64_t slots_of_tile = 0;
};

// All -1 (tokens, tiles) and 0; `is_pinned`: host memory that a device copies from by itself.
[[nodiscard]] SlotTable make_slot_table(const SlotTableShape& shape,
                                        at::Device device,
                                        bool is_pinned = false);

// x (B, C) float32 = the rows of `table` (V, C) T of each slot's token: slots.token, or chosen (B)
// int32 where that is -1. Empty slots get zeros.
void embed_slots(const SlotTable& slots,
                 const at::Tensor& chosen,
                 const at::Tensor& table,
                 const at::Tensor& x);

// x (R, C) float32 += delta (R, C) T, where defined; out (R, C) T = x / rms(x) · weight (C) T.
void add_rms_norm_rows(const at::Tensor& x,
                       const at::Tensor& delta,
                       const at::Tensor& weight,
                       double eps,
                       const at::Tensor& out);

// out (R, F) T = silu(gate) · up, gate and up side by side in gate_up (R, 2·F) T.
void silu_mul_rows(const at::Tensor& gate_up, const at::Tensor& out);

// Where R rows lie in the KV pages, int32 (R) each; page -1: the row is stored nowhere.
struct RowPlaces {
  at::Tensor position;  // in the text
  at::Tensor page, place;
};
// The places of the slots' tokens. `places` has B rows.
void find_places(const SlotTable& slots, const RowPlaces& places);

struct HeadShape {
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // K
  int64_t head_dim = 0;  // D
};

// R rows in one layer: their queries, keys and values, and the pages that keep the last two.
struct LayerRows {
  at::Tensor qkv;  // (R, (H + 2·K)·D) T
  HeadShape shape;
  DeviceKv kv;
  int64_t layer = 0;  // of the pages
};

// Rotates the queries and keys of `rows` in place (cos, sin (positions, D) float32, Hugging Face's
// rotate_half) and stores keys and values in their pages.
void rotate_and_store(const LayerRows& rows,
                      const RowPlaces& places,
                      const at::Tensor& cos,
                      const at::Tensor& sin);

// The part of a slot's attention over its prefix, not yet divided: sums (B, H, D) float32 of
// weights · values, and states (B, H, 2) float32: highest score, sum of weights.
struct PrefixPart {
  at::Tensor sums, states;
};
// Tiles of kTileRows query rows read a prefix once. Every slot with a prefix and tokens is in one
// tile, beside slots of the same prefix only. Rows of slots without a prefix or without
// tokens get sums 0 and the state (-inf, 0).
void attend_prefixes(const LayerRows& rows, const SlotTable& slots, const PrefixPart& part);

// out (B, H·D) T: attention over prefix and suffix, joined exactly by the running softmax. Empty
// slots get zeros.
void attend_suffixes(const LayerRows& rows,
                     const SlotTable& slots,
                     const PrefixPart& prefix,
                     const at::Tensor& out);

// What each slot chose, for the host: chosen (B) int32, the highest logit's id, the lowest on ties;
// scores (B, 3) float32: its log-probability, top-1 minus top-2, 1 where all logits are finite.
struct SlotChoices {
  at::Tensor chosen, scores;
};
void choose_tokens(const at::Tensor& logits,  // (B, V) float32
                   const SlotChoices& choices);

}  // namespace thoughtrank
