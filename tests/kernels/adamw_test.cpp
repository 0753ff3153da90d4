#include "thoughtrank/kernels/adamw.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

constexpr int64_t kElements = 1500;  // two tiles and a part of one

at::Tensor pattern(int64_t seed, double scale, at::ScalarType dtype, int64_t n = kElements) {
  const at::Tensor x = at::arange(n, at::kDouble) * 0.37 + static_cast<double>(seed);
  return (at::sin(x * x) * scale).to(dtype);
}

AdamWArena make_arena(at::ScalarType weights, at::ScalarType moments, int64_t n = kElements) {
  return {.weights = pattern(1, 0.5, weights, n),
          .gradients = pattern(2, 0.1, weights, n),
          .first_moment = at::zeros(n, moments),
          .second_moment = at::zeros(n, moments)};
}

RandomStream::Key key_of(uint64_t update) { return RandomStream(7, "test", {update}).key(); }

AdamWUpdate make_update(int64_t update) {
  return {.learning_rate = 1e-2,
          .beta1 = 0.9,
          .beta2 = 0.95,
          .eps = 1e-8,
          .weight_decay = 0.1,
          .gradient_scale = 0.5,
          .update = update,
          .rounding = key_of(static_cast<uint64_t>(update))};
}

// AdamW as the paper has it, in float64.
struct Reference {
  at::Tensor w, m, v;
  void apply(const at::Tensor& gradient, const AdamWUpdate& u) {
    const at::Tensor g = gradient.to(at::kDouble) * u.gradient_scale;
    const auto t = static_cast<double>(u.update);
    m = u.beta1 * m + (1 - u.beta1) * g;
    v = u.beta2 * v + (1 - u.beta2) * g * g;
    const at::Tensor root = (v / (1 - std::pow(u.beta2, t))).sqrt() + u.eps;
    w = w * (1 - u.learning_rate * u.weight_decay) -
        u.learning_rate * (m / (1 - std::pow(u.beta1, t))) / root;
  }
};

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TEST(AdamW, FollowsThePaperInFloat32) {
  const AdamWArena arena = make_arena(at::kFloat, at::kFloat);
  Reference reference = {.w = arena.weights.to(at::kDouble),
                         .m = at::zeros(kElements, at::kDouble),
                         .v = at::zeros(kElements, at::kDouble)};
  for (int64_t update = 1; update <= 10; ++update) {
    arena.gradients.copy_(pattern(update, 0.1, at::kFloat));
    reference.apply(arena.gradients, make_update(update));
    apply_adamw(arena, make_update(update));
  }
  EXPECT_LT(largest_difference(arena.weights, reference.w), 1e-6);
  EXPECT_LT(largest_difference(arena.first_moment, reference.m), 1e-7);
  EXPECT_LT(largest_difference(arena.second_moment, reference.v), 1e-8);
}

class AdamWDtypes : public testing::TestWithParam<std::pair<at::ScalarType, at::ScalarType>> {};

TEST_P(AdamWDtypes, FirstUpdateIsWithinOneUnitInTheLastPlaceOfFloat64) {
  const AdamWArena arena = make_arena(GetParam().first, GetParam().second);
  Reference reference = {.w = arena.weights.to(at::kDouble),
                         .m = at::zeros(kElements, at::kDouble),
                         .v = at::zeros(kElements, at::kDouble)};
  reference.apply(arena.gradients, make_update(1));
  apply_adamw(arena, make_update(1));
  const auto unit = [](at::ScalarType dtype) { return dtype == at::kFloat ? 1e-6 : 0x1p-7; };
  // Relative to the value, or to the step where weight and step cancel out.
  const auto relative = [](const at::Tensor& ours, const at::Tensor& exact, double step) {
    return ((ours.to(at::kDouble) - exact).abs() / (exact.abs() + step)).max().item<double>();
  };
  EXPECT_LT(relative(arena.weights, reference.w, 1e-2), unit(GetParam().first));
  EXPECT_LT(relative(arena.first_moment, reference.m, 1e-12), unit(GetParam().second));
  EXPECT_LT(relative(arena.second_moment, reference.v, 1e-12), unit(GetParam().second));
}

TEST_P(AdamWDtypes, ThreadsChangeNothing) {
  constexpr int64_t kMany = 300'000;
  const AdamWArena one = make_arena(GetParam().first, GetParam().second, kMany);
  const AdamWArena two = make_arena(GetParam().first, GetParam().second, kMany);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  apply_adamw(one, make_update(1));
  at::set_num_threads(3);
  apply_adamw(two, make_update(1));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.weights, two.weights));
  EXPECT_TRUE(at::equal(one.first_moment, two.first_moment));
  EXPECT_TRUE(at::equal(one.second_moment, two.second_moment));
}

INSTANTIATE_TEST_SUITE_P(AllStored,
                         AdamWDtypes,
                         testing::Values(std::pair(at::kFloat, at::kFloat),
                                         std::pair(at::kFloat, at::kBFloat16),
                                         std::pair(at::kBFloat16, at::kFloat),
                                         std::pair(at::kBFloat16, at::kBFloat16)));

// With moments at 0 and a gradient of g, the first update moves each weight by
// learning_rate·sign(g). A step of 1/16 of a bfloat16 unit is lost by nearest rounding; here it
// must be kept on average.
TEST(StochasticRounding, IsUnbiased) {
  constexpr int64_t kMany = 1 << 18;
  const double unit = 0x1p-7;  // of bfloat16 in [1, 2)
  const AdamWArena arena = {.weights = at::full(kMany, 1.5, at::kBFloat16),
                            .gradients = at::ones(kMany, at::kBFloat16),
                            .first_moment = at::zeros(kMany, at::kFloat),
                            .second_moment = at::zeros(kMany, at::kFloat)};
  apply_adamw(arena, {.learning_rate = unit / 16, .update = 1, .rounding = key_of(1)});
  const at::Tensor moved = (1.5 - arena.weights.to(at::kDouble)) / unit;  // 0 or 1
  EXPECT_TRUE(((moved == 0) | (moved == 1)).all().item<bool>());
  // Binomial: p = 1/16, deviation of the mean sqrt(p(1−p)/n) = 4.7e-4; five of them.
  EXPECT_NEAR(moved.mean().item<double>(), 1.0 / 16, 5 * 4.73e-4);
}

TEST(StochasticRounding, DrawsAnewForEachUpdateElementAndTensor) {
  const auto weights_after = [](uint64_t key) {
    const AdamWArena arena = {.weights = at::full(kElements, 1.5, at::kBFloat16),
                              .gradients = at::ones(kElements, at::kBFloat16),
                              .first_moment = at::zeros(kElements, at::kBFloat16),
                              .second_moment = at::zeros(kElements, at::kBFloat16)};
    apply_adamw(arena, {.learning_rate = 0x1p-8, .update = 1, .rounding = key_of(key)});
    return arena.weights.to(at::kDouble);
  };
  EXPECT_TRUE(at::equal(weights_after(1), weights_after(1)));
  const double different =
      (weights_after(1) != weights_after(2)).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(different, 0.5, 0.1);  // two independent coins
  const at::Tensor w = weights_after(1);
  const double neighbours = (w.narrow(0, 1, kElements - 1) != w.narrow(0, 0, kElements - 1))
                                .to(at::kDouble)
                                .mean()
                                .item<double>();
  EXPECT_NEAR(neighbours, 0.5, 0.1);
}

TEST(StochasticRounding, KeepsExactValuesExactly) {
  const AdamWArena arena = {.weights = pattern(3, 2, at::kBFloat16),
                            .gradients = at::zeros(kElements, at::kBFloat16),
                            .first_moment = at::zeros(kElements, at::kBFloat16),
                            .second_moment = at::zeros(kElements, at::kBFloat16)};
  const at::Tensor before = arena.weights.clone();
  apply_adamw(arena, {.learning_rate = 1, .update = 1, .rounding = key_of(1)});
  EXPECT_TRUE(at::equal(arena.weights, before));
}

TEST(AdamW, RefusesTensorsThatDoNotFit) {
  AdamWArena arena = make_arena(at::kFloat, at::kFloat);
  arena.second_moment = at::zeros(kElements - 1);
  EXPECT_THROW(apply_adamw(arena, make_update(1)), Error);
  arena = make_arena(at::kFloat, at::kFloat);
  arena.gradients = arena.gradients.to(at::kBFloat16);
  EXPECT_THROW(apply_adamw(arena, make_update(1)), Error);
}

}  // namespace
}  // namespace thoughtrank
