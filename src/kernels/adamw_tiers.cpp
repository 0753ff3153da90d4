// AdamW's other ways to store its state, on the CPU: a float32 master of bfloat16 weights, and
// moments in 8 bits with a scale for each block.
#include <algorithm>
#include <cmath>

#include "kernels/adamw_tile.h"
#include "kernels/small_float.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank::adamw {
namespace {

static_assert(kTile % kMomentBlock == 0);

void require_cpu(const AdamWArena& arena, const char* tier) {
  if (arena.weights.is_cpu()) return;
  fail(ExitCode::kConfig,
       "train.optimizer_state {} runs on the CPU only so far: take float32 or bfloat16 on {}",
       tier,
       arena.weights.device().str());
}

// To nearest, ties to even; values that are not finite stay so.
uint16_t round_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const bool is_finite = (bits & 0x7F800000u) != 0x7F800000u;
  return static_cast<uint16_t>((bits + (is_finite ? 0x7FFFu + ((bits >> 16) & 1u) : 0u)) >> 16);
}

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// Moments of one block in float32, and where their 8 bits are.
template <class Share>
struct BlockMoment {
  float values[kMomentBlock];
  uint8_t* codes;
  float* scale;

  BlockMoment(const at::Tensor& moment, const at::Tensor& scales, int64_t first)
      : codes(data<uint8_t>(moment) + first), scale(data<float>(scales) + first / kMomentBlock) {}
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
void update_block(const AdamWArena& arena,
                  const Factors& f,
                  int64_t first,
                  int64_t count,
                  int64_t at,
                  const Store<Weight>& store_weight,
                  const uint16_t (&random)[2][kTile]) {
  Weight* weights = data<Weight>(arena.weights) + first;
  const Weight* gradients = static_cast<const Weight*>(arena.gradients.const_data_ptr()) + first;
  BlockMoment<SignedShare> m(arena.first_moment, arena.first_scale, first);
  BlockMoment<PositiveShare> v(arena.second_moment, arena.second_scale, first);
  m.load(count);
  v.load(count);
  for (int64_t i = 0; i < count; ++i) {
    const Element updated =
        update_element({widen(weights[i]), m.values[i], v.values[i]}, widen(gradients[i]), f);
    weights[i] = store_weight(updated.weight, at + i);
    m.values[i] = updated.first_moment;
    v.values[i] = updated.second_moment;
  }
  m.store(count, random[0] + at);
  v.store(count, random[1] + at);
}

template <class Weight>
void update_bytes_typed(const AdamWArena& arena, const Factors& f) {
  for_each_tile(arena.weights.numel(), [&](int64_t first, int64_t count) {
    uint16_t random[2][kTile];
    fill_random(random[0], first, kFirstMomentStream, f);
    fill_random(random[1], first, kSecondMomentStream, f);
    const Store<Weight> store_weight(first, kWeightStream, f);
    for (int64_t at = 0; at < count; at += kMomentBlock) {
      const int64_t size = std::min(kMomentBlock, count - at);
      update_block<Weight>(arena, f, first + at, size, at, store_weight, random);
    }
  });
}

}  // namespace

void update_with_bytes(const AdamWArena& arena, const Factors& f) {
  require_cpu(arena, "int8");
  if (arena.weights.scalar_type() == at::kFloat) return update_bytes_typed<float>(arena, f);
  return update_bytes_typed<uint16_t>(arena, f);
}

void update_with_master(const AdamWArena& arena, const Factors& f) {
  require_cpu(arena, "float32_master");
  auto* weights = data<uint16_t>(arena.weights);
  const auto* gradients = static_cast<const uint16_t*>(arena.gradients.const_data_ptr());
  auto *master = data<float>(arena.master), *m = data<float>(arena.first_moment),
       *v = data<float>(arena.second_moment);
  for_each_tile(arena.weights.numel(), [&](int64_t first, int64_t count) {
    for (int64_t n = first; n < first + count; ++n) {
      const Element updated = update_element({master[n], m[n], v[n]}, widen(gradients[n]), f);
      master[n] = updated.weight;
      m[n] = updated.first_moment;
      v[n] = updated.second_moment;
      weights[n] = round_to_bfloat16(updated.weight);
    }
  });
}

}  // namespace thoughtrank::adamw
