#include "thoughtrank/kernels/adamw.h"

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/adamw_cuda.h"
#include "kernels/adamw_element.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank::adamw {
namespace {

Factors make_factors(const AdamWUpdate& u) {
  const auto t = static_cast<double>(u.update);
  return {.decay = static_cast<float>(1 - u.learning_rate * u.weight_decay),
          .step_size = static_cast<float>(u.learning_rate / (1 - std::pow(u.beta1, t))),
          .root_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(u.beta2, t))),
          .beta1 = static_cast<float>(u.beta1),
          .beta2 = static_cast<float>(u.beta2),
          .eps = static_cast<float>(u.eps),
          .gradient_scale = static_cast<float>(u.gradient_scale),
          .key_low = u.rounding.low,
          .key_high = u.rounding.high};
}

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
void update_tile(FlatUpdate<Weight, Moment> u, int64_t first, int64_t count) {
  const Factors& f = u.factors;
  const Store<Weight> store_weight(first, kWeightStream, f);
  const Store<Moment> store_first(first, kFirstMomentStream, f);
  const Store<Moment> store_second(first, kSecondMomentStream, f);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t n = first + i;
    const Element old = {widen(u.weights[n]), widen(u.first_moment[n]), widen(u.second_moment[n])};
    const Element updated = update_element(old, widen(u.gradients[n]), f);
    u.weights[n] = store_weight(updated.weight, i);
    u.first_moment[n] = store_first(updated.first_moment, i);
    u.second_moment[n] = store_second(updated.second_moment, i);
  }
}

template <class Weight, class Moment>
void update_on_cpu(const FlatUpdate<Weight, Moment>& u) {
  at::parallel_for(
      0, (u.elements + kTile - 1) / kTile, /*grain_size=*/64, [&](int64_t begin, int64_t end) {
        for (int64_t tile = begin; tile < end; ++tile) {
          const int64_t first = tile * kTile;
          update_tile(u, first, std::min(kTile, u.elements - first));
        }
      });
}

template <class Weight, class Moment>
void update_typed(const AdamWArena& arena, const Factors& f) {
  const FlatUpdate<Weight, Moment> u = {
      static_cast<Weight*>(arena.weights.mutable_data_ptr()),
      static_cast<const Weight*>(arena.gradients.const_data_ptr()),
      static_cast<Moment*>(arena.first_moment.mutable_data_ptr()),
      static_cast<Moment*>(arena.second_moment.mutable_data_ptr()),
      arena.weights.numel(),
      f};
  const at::Device device = arena.weights.device();
  if (!device.is_cuda()) return update_on_cpu(u);
  const c10::DeviceGuard guard(device);
  update_on_cuda(u, cuda::current_stream(device.index()));
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
  const bool is_float_weight = arena.weights.scalar_type() == at::kFloat;
  const bool is_float_moment = arena.first_moment.scalar_type() == at::kFloat;
  if (is_float_weight && is_float_moment) return update_typed<float, float>(arena, f);
  if (is_float_weight) return update_typed<float, uint16_t>(arena, f);
  if (is_float_moment) return update_typed<uint16_t, float>(arena, f);
  return update_typed<uint16_t, uint16_t>(arena, f);
}

}  // namespace
}  // namespace thoughtrank::adamw

void thoughtrank::apply_adamw(const AdamWArena& arena, const AdamWUpdate& update) {
  adamw::require_fit(arena);
  adamw::update(arena, adamw::make_factors(update));
}
