// AdamW's other ways to store its state: a float32 master of bfloat16 weights, and moments in 8
// bits with a scale for each block.
#include <algorithm>
#include <cmath>

#include "kernels/adamw/adamw_tile.h"
#include "kernels/decode_step/small_float.h"

namespace thoughtrank::adamw {
namespace {

static_assert(kTile % kMomentBlock == 0 && kMomentBlock == kElementsPerScale);

// Moments of one block in float32, and where their 8 bits are.
template <class Share>
struct BlockMoment {
  float values[kMomentBlock];
  uint8_t* codes;
  float* scale;

  BlockMoment(uint8_t* moment, float* scales, int64_t first)
      : codes(moment + first), scale(scales + first / kMomentBlock) {}
  void load(int64_t count) {
    for (int64_t i = 0; i < count; ++i) values[i] = Share::decode(codes[i], *scale);
  }
  void store(int64_t count, const uint16_t* random) {
    float largest = 0;
    for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
    *scale = largest;
    const float inverse = largest > 0 ? 1 / largest : 0;
    for (int64_t i = 0; i < count; ++i) codes[i] = Share::encode(values[i], inverse, random[i]);
  }
};

// `at`: where the block begins in its tile, whose random bits are given.
template <class Weight>
void update_block(const ByteUpdate<Weight>& u,
                  int64_t first,
                  int64_t count,
                  int64_t at,
                  const Store<Weight>& store_weight,
                  const uint16_t (&random)[2][kTile]) {
  Weight* weights = u.weights + first;
  const Weight* gradients = u.gradients + first;
  BlockMoment<SignedShare> m(u.first_moment, u.first_scale, first);
  BlockMoment<PositiveShare> v(u.second_moment, u.second_scale, first);
  m.load(count);
  v.load(count);
  for (int64_t i = 0; i < count; ++i) {
    const Element old = {widen(weights[i]), m.values[i], v.values[i]};
    const Element updated = update_element(old, widen(gradients[i]), u.factors);
    weights[i] = store_weight(updated.weight, at + i);
    m.values[i] = updated.first_moment;
    v.values[i] = updated.second_moment;
  }
  m.store(count, random[0] + at);
  v.store(count, random[1] + at);
}

template <class Weight>
void update_bytes_on_cpu(const ByteUpdate<Weight>& u) {
  for_each_tile(u.elements, [&](int64_t first, int64_t count) {
    uint16_t random[2][kTile];
    fill_random(random[0], first, kFirstMomentStream, u.factors);
    fill_random(random[1], first, kSecondMomentStream, u.factors);
    const Store<Weight> store_weight(first, kWeightStream, u.factors);
    for (int64_t at = 0; at < count; at += kMomentBlock) {
      const int64_t size = std::min(kMomentBlock, count - at);
      update_block<Weight>(u, first + at, size, at, store_weight, random);
    }
  });
}

template <class Weight>
void update_bytes_typed(const AdamWArena& arena, const Factors& f) {
  const ByteUpdate<Weight> u = {data<Weight>(arena.weights),
                                data<Weight>(arena.gradients),
                                data<uint8_t>(arena.first_moment),
                                data<uint8_t>(arena.second_moment),
                                data<float>(arena.first_scale),
                                data<float>(arena.second_scale),
                                arena.weights.numel(),
                                f};
  update_on_device(arena, u, update_bytes_on_cpu<Weight>);
}

void update_master_on_cpu(const MasterUpdate& u) {
  for_each_tile(u.elements, [&](int64_t first, int64_t count) {
    for (int64_t n = first; n < first + count; ++n) {
      const Element old = {u.master[n], u.first_moment[n], u.second_moment[n]};
      const Element updated = update_element(old, widen(u.gradients[n]), u.factors);
      u.master[n] = updated.weight;
      u.first_moment[n] = updated.first_moment;
      u.second_moment[n] = updated.second_moment;
      u.weights[n] = round_to_nearest(updated.weight);
    }
  });
}

}  // namespace

void update_with_bytes(const AdamWArena& arena, const Factors& f) {
  if (arena.weights.scalar_type() == at::kFloat) return update_bytes_typed<float>(arena, f);
  return update_bytes_typed<uint16_t>(arena, f);
}

void update_with_master(const AdamWArena& arena, const Factors& f) {
  const MasterUpdate u = {data<uint16_t>(arena.weights),
                          data<uint16_t>(arena.gradients),
                          data<float>(arena.master),
                          data<float>(arena.first_moment),
                          data<float>(arena.second_moment),
                          arena.weights.numel(),
                          f};
  update_on_device(arena, u, update_master_on_cpu);
}

}  // namespace thoughtrank::adamw
