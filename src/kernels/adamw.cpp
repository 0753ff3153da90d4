#include "thoughtrank/kernels/adamw.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "kernels/adamw_cuda.h"
#include "kernels/adamw_element.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank::adamw {
namespace {

// Elements a thread works on at a time; its random bits fit in the first-level cache.
constexpr int64_t kTile = 512;

// The random 16 bits of the kTile elements from `first`, in element order.
void fill_random(uint16_t* random, int64_t first, Stream stream, const Factors& f) {
  uint32_t words[kTile / 2];
  for (int64_t i = 0; i < kTile / kElementsPerBlock; ++i) {
    const auto block =
        random_block(static_cast<uint64_t>(first / kElementsPerBlock + i), stream, f);
    for (size_t j = 0; j < 4; ++j) words[4 * i + static_cast<int64_t>(j)] = block[j];
  }
  std::memcpy(random, words, sizeof words);
}

// Stored values of one tensor within a tile: float32 as it is, bfloat16 (its bits) rounded.
struct PlainStore {
  PlainStore(int64_t, Stream, const Factors&) {}
  float operator()(float value, int64_t) const { return value; }
};
struct RoundedStore {
  uint16_t random[kTile];
  RoundedStore(int64_t first, Stream stream, const Factors& f) {
    fill_random(random, first, stream, f);
  }
  uint16_t operator()(float value, int64_t i) const {
    return round_stochastically(value, random[i]);
  }
};
template <class T>
using Store = std::conditional_t<std::is_same_v<T, float>, PlainStore, RoundedStore>;

template <class Weight, class Moment>
struct Pointers {
  Weight* weights;
  const Weight* gradients;
  Moment* first_moment;
  Moment* second_moment;
};

template <class Weight, class Moment>
void update_tile(Pointers<Weight, Moment> p, int64_t first, int64_t count, const Factors& f) {
  const Store<Weight> store_weight(first, kWeightStream, f);
  const Store<Moment> store_first(first, kFirstMomentStream, f);
  const Store<Moment> store_second(first, kSecondMomentStream, f);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t n = first + i;
    const Element old = {widen(p.weights[n]), widen(p.first_moment[n]), widen(p.second_moment[n])};
    const Element updated = update_element(old, widen(p.gradients[n]), f);
    p.weights[n] = store_weight(updated.weight, i);
    p.first_moment[n] = store_first(updated.first_moment, i);
    p.second_moment[n] = store_second(updated.second_moment, i);
  }
}

template <class Weight, class Moment>
void update_on_cpu(const AdamWArena& arena, const Factors& f) {
  const Pointers<Weight, Moment> pointers = {
      static_cast<Weight*>(arena.weights.mutable_data_ptr()),
      static_cast<const Weight*>(arena.gradients.const_data_ptr()),
      static_cast<Moment*>(arena.first_moment.mutable_data_ptr()),
      static_cast<Moment*>(arena.second_moment.mutable_data_ptr())};
  const int64_t elements = arena.weights.numel();
  at::parallel_for(
      0, (elements + kTile - 1) / kTile, /*grain_size=*/64, [&](int64_t begin, int64_t end) {
        for (int64_t tile = begin; tile < end; ++tile) {
          const int64_t first = tile * kTile;
          update_tile(pointers, first, std::min(kTile, elements - first), f);
        }
      });
}

void require_fit(const AdamWArena& arena) {
  const at::Tensor& w = arena.weights;
  const at::Tensor& m = arena.first_moment;
  const auto is_stored = [](const at::Tensor& t) {
    return t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16;
  };
  const auto fits = [&](const at::Tensor& t, at::ScalarType dtype) {
    return t.dim() == 1 && t.numel() == w.numel() && t.is_contiguous() &&
           t.scalar_type() == dtype && t.device() == w.device();
  };
  if (!is_stored(w) || !is_stored(m) || !fits(w, w.scalar_type()) ||
      !fits(arena.gradients, w.scalar_type()) || !fits(m, m.scalar_type()) ||
      !fits(arena.second_moment, m.scalar_type())) {
    fail(ExitCode::kInternal,
         "AdamW: weights, gradients and both moments must be flat, of one length ({} weights) and "
         "on one device, in float32 or bfloat16",
         w.numel());
  }
}

void update(const AdamWArena& arena, const Factors& f) {
  if (arena.weights.is_cuda()) return update_on_cuda(arena, f);
  const bool is_float_weight = arena.weights.scalar_type() == at::kFloat;
  const bool is_float_moment = arena.first_moment.scalar_type() == at::kFloat;
  if (is_float_weight && is_float_moment) return update_on_cpu<float, float>(arena, f);
  if (is_float_weight) return update_on_cpu<float, uint16_t>(arena, f);
  if (is_float_moment) return update_on_cpu<uint16_t, float>(arena, f);
  return update_on_cpu<uint16_t, uint16_t>(arena, f);
}

}  // namespace
}  // namespace thoughtrank::adamw

void thoughtrank::apply_adamw(const AdamWArena& arena, const AdamWUpdate& update) {
  adamw::require_fit(arena);
  adamw::update(arena, adamw::make_factors(update));
}
