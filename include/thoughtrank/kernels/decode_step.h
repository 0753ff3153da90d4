// The operations of one decoding step over a fixed number of slots, for a GPU: everything beside
// the matrix products. All tensors are contiguous and on one CUDA device. An operation is enqueued
// on the current stream, allocates nothing and waits for nothing, so that a step can be captured in
// a CUDA graph. A slot's arithmetic depends on its own row, prefix and suffix only: no sum is cut
// by the number of live slots.
//
// Every operation throws Error(kInternal) for tensors that do not fit or are on the CPU: C, F and D
// are multiples of 8, D is at most 128, and a key/value head has at most 16 query heads (G = H /
// K). What a table says (tokens, positions, pages, lengths) is not checked. Before a step is
// captured it runs once, so that its kernels are loaded.
//
// R rows (slots, or tokens of a prompt), B slots, T float32 or bfloat16, the weights' type; sums,
// norms and softmax are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace thoughtrank {

inline constexpr int64_t kTileRows = 16;  // rows of queries in an attention tile: an MMA's height

// Keys and values of all sequences in pages of 64 tokens: (pages, L, K, 2, 64, D), keys before
// values.
struct DeviceKv {
  at::Tensor pages;
};

// Says what a step must know of its slots, in one tensor, so that one copy brings it to the device.
struct SlotTable {
  at::Tensor memory;         // all numbers, int32; the following are views of it
  at::Tensor token;          // (B) the token that the slot reads now; -1: the one it chose last
  at::Tensor position;       // (B) the place of that token in the text
  at::Tensor length;         // (B) tokens of the suffix, that one included; 0: the slot is empty
  at::Tensor prefix_length;  // (B) tokens of the prefix
  at::Tensor suffix_pages;   // (B, most suffix pages) numbers of the pages, in the text's order
  at::Tensor prefix_pages;   // (B, most prefix pages) likewise
  // (B, slots of a tile) slots that read one prefix together, -1: none. A tile has
  // max(1, kTileRows / G) slots.
  at::Tensor prefix_tiles;
};

struct SlotTableShape {
  int64_t slots = 0;
  int64_t suffix_pages = 0;
  int64_t prefix_pages = 0;
  int64_t slots_of_tile = 0;
};

// Makes a table of empty slots: tokens and tiles are -1, all else is 0. `is_pinned` asks for host
// memory that a device copies from by itself.
[[nodiscard]] SlotTable make_slot_table(const SlotTableShape& shape,
                                        at::Device device,
                                        bool is_pinned = false);

// Writes to x (B, C) float32 the row of `table` (V, C) T of each slot's token: slots.token, or
// chosen (B) int32 where that is -1. Empty slots get zeros.
void embed_slots(const SlotTable& slots,
                 const at::Tensor& chosen,
                 const at::Tensor& table,
                 const at::Tensor& x);

// Adds delta (R, C) T, where defined, to x (R, C) float32, and writes out (R, C) T = x / rms(x) ·
// weight (C) T.
void add_rms_norm_rows(const at::Tensor& x,
                       const at::Tensor& delta,
                       const at::Tensor& weight,
                       double eps,
                       const at::Tensor& out);

// Writes out (R, F) T = silu(gate) · up; gate and up lie side by side in gate_up (R, 2·F) T.
void silu_mul_rows(const at::Tensor& gate_up, const at::Tensor& out);

// Says where R rows lie in the KV pages, int32 (R) each; page -1: the row is stored nowhere.
struct RowPlaces {
  at::Tensor position;  // the row's token counted in the text
  at::Tensor page, place;
};
// Writes the places of the slots' tokens. `places` has B rows.
void find_places(const SlotTable& slots, const RowPlaces& places);

struct HeadShape {
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // K
  int64_t head_dim = 0;  // D
};

// Holds R rows in one layer: their queries, keys and values, and the pages that keep the last two.
struct LayerRows {
  at::Tensor qkv;  // (R, (H + 2·K)·D) T
  HeadShape shape;
  DeviceKv kv;
  int64_t layer = 0;  // number of the layer in the pages
};

// Rotates the queries and keys of `rows` in place (cos, sin (positions, D) float32, Hugging Face's
// rotate_half) and stores keys and values in their pages.
void rotate_and_store(const LayerRows& rows,
                      const RowPlaces& places,
                      const at::Tensor& cos,
                      const at::Tensor& sin);

// Holds the part of a slot's attention over its prefix, not yet divided: sums (B, H, D) float32 of
// weights · values, and states (B, H, 2) float32: highest score, sum of weights.
struct PrefixPart {
  at::Tensor sums, states;
};
// Writes the slots' parts; a tile of kTileRows query rows reads its prefix once. Every slot with a
// prefix and tokens is in one tile, beside slots of the same prefix only. Rows of slots without a
// prefix or without tokens get sums 0 and the state (-inf, 0).
void attend_prefixes(const LayerRows& rows, const SlotTable& slots, const PrefixPart& part);

// Writes to out (B, H·D) T the attention over prefix and suffix, joined exactly by the running
// softmax. Empty slots get zeros.
void attend_suffixes(const LayerRows& rows,
                     const SlotTable& slots,
                     const PrefixPart& prefix,
                     const at::Tensor& out);

// Tells the host what each slot chose: chosen (B) int32 is the highest logit's id, the lowest on
// ties; scores (B, 3) float32 are its log-probability, top-1 minus top-2, and 1 where all logits
// are finite.
struct SlotChoices {
  at::Tensor chosen, scores;
};
// Writes the choices of all slots.
void choose_tokens(const at::Tensor& logits,  // (B, V) float32
                   const SlotChoices& choices);

}  // namespace thoughtrank
