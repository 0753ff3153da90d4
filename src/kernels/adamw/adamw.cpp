#include "thoughtrank/kernels/adamw.h"

#include <cmath>

#include "kernels/adamw/adamw_tile.h"
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
  for_each_tile(u.elements, [&](int64_t first, int64_t count) { update_tile(u, first, count); });
}

template <class Weight, class Moment>
void update_typed(const AdamWArena& arena, const Factors& f) {
  const FlatUpdate<Weight, Moment> u = {data<Weight>(arena.weights),
                                        data<Weight>(arena.gradients),
                                        data<Moment>(arena.first_moment),
                                        data<Moment>(arena.second_moment),
                                        arena.weights.numel(),
                                        f};
  update_on_device(arena, u, update_on_cpu<Weight, Moment>);
}

bool is_stored(at::ScalarType dtype) { return dtype == at::kFloat || dtype == at::kBFloat16; }

// `t` is flat, `elements` long, of this dtype, beside the weights.
bool fits(const AdamWArena& arena, const at::Tensor& t, int64_t elements, at::ScalarType dtype) {
  return t.defined() && t.dim() == 1 && t.numel() == elements && t.is_contiguous() &&
         t.scalar_type() == dtype && t.device() == arena.weights.device();
}

bool moments_fit(const AdamWArena& arena) {
  const int64_t n = arena.weights.numel();
  const at::ScalarType moments = arena.first_moment.scalar_type();
  if (!fits(arena, arena.first_moment, n, moments)) return false;
  if (!fits(arena, arena.second_moment, n, moments)) return false;
  if (moments != at::kByte) return is_stored(moments);
  const int64_t blocks = (n + kMomentBlock - 1) / kMomentBlock;
  return fits(arena, arena.first_scale, blocks, at::kFloat) &&
         fits(arena, arena.second_scale, blocks, at::kFloat);
}

bool master_fits(const AdamWArena& arena) {
  return !arena.master.defined() || (fits(arena, arena.master, arena.weights.numel(), at::kFloat) &&
                                     arena.weights.scalar_type() == at::kBFloat16 &&
                                     arena.first_moment.scalar_type() == at::kFloat);
}

void require_fit(const AdamWArena& arena) {
  const at::Tensor& w = arena.weights;
  if (!is_stored(w.scalar_type()) || !fits(arena, w, w.numel(), w.scalar_type()) ||
      !fits(arena, arena.gradients, w.numel(), w.scalar_type()) || !moments_fit(arena) ||
      !master_fits(arena)) {
    fail(ExitCode::kInternal,
         "AdamW: weights, gradients and both moments must be flat, of one length ({} weights) and "
         "on one device, in the dtypes of kernels/adamw.h",
         w.numel());
  }
}

void update(const AdamWArena& arena, const Factors& f) {
  if (arena.master.defined()) return update_with_master(arena, f);
  if (arena.first_moment.scalar_type() == at::kByte) return update_with_bytes(arena, f);
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
