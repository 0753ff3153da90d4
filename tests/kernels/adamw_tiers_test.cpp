// AdamW with a float32 master, and with moments in 8 bits.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/decode_step/small_float.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/adamw.h"

namespace thoughtrank {
namespace {

constexpr int64_t kElements = 1500;  // five blocks and a part of one
constexpr int64_t kBlocks = (kElements + kMomentBlock - 1) / kMomentBlock;

// Relative error of a share that is rounded to 3 bits of mantissa.
constexpr double kShareTolerance = 0x1p-3;

at::Tensor pattern(int64_t seed, double scale, at::ScalarType dtype) {
  const at::Tensor x = at::arange(kElements, at::kDouble) * 0.37 + static_cast<double>(seed);
  return (at::sin(x * x) * scale).to(dtype);
}

AdamWArena plain_arena(at::ScalarType weights) {
  return {.weights = pattern(1, 0.5, weights),
          .gradients = pattern(2, 0.1, weights),
          .first_moment = at::zeros(kElements),
          .second_moment = at::zeros(kElements)};
}

AdamWArena byte_arena(at::ScalarType weights) {
  AdamWArena arena = plain_arena(weights);
  arena.first_moment = at::zeros(kElements, at::kByte);
  arena.second_moment = at::zeros(kElements, at::kByte);
  arena.first_scale = at::zeros(kBlocks);
  arena.second_scale = at::zeros(kBlocks);
  return arena;
}

AdamWUpdate make_update(int64_t update, double learning_rate = 1e-2) {
  return {.learning_rate = learning_rate,
          .update = update,
          .rounding = RandomStream(7, "test", {static_cast<uint64_t>(update)}).key()};
}

template <class Share>
at::Tensor decoded(const at::Tensor& codes, const at::Tensor& scales) {
  std::vector<float> values;
  for (int64_t n = 0; n < codes.numel(); ++n) {
    values.push_back(
        Share::decode(codes[n].item<uint8_t>(), scales[n / kMomentBlock].item<float>()));
  }
  return at::tensor(values, at::kFloat);
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// The mean over all random bits of a value that was stored and read.
template <class Share>
double mean_of_stored(float value, float scale) {
  double sum = 0;
  for (uint32_t random = 0; random < 65536; ++random) {
    const auto code = Share::encode(value, 1 / scale, static_cast<uint16_t>(random));
    sum += static_cast<double>(Share::decode(code, scale));
  }
  return sum / 65536;
}

TEST(SmallFloats, RoundingIsRightOnAverage) {
  for (const float share : {1.0F, 0.9F, 0.5001F, 0.3F, 0.0137F, 4.4e-4F, 3.6e-5F, 1e-5F, 1e-7F}) {
    const float value = 3.7F * share;
    const double exact = static_cast<double>(value);
    EXPECT_NEAR(mean_of_stored<SignedShare>(value, 3.7F), exact, 2e-5 * exact + 1e-9) << share;
    EXPECT_NEAR(mean_of_stored<SignedShare>(-value, 3.7F), -exact, 2e-5 * exact + 1e-9) << share;
    EXPECT_NEAR(mean_of_stored<PositiveShare>(value, 3.7F), exact, 2e-5 * exact) << share;
  }
}

TEST(SmallFloats, TheLargestIsExactZeroStaysAndNothingPositiveBecomesZero) {
  for (const uint16_t random : {0, 1, 40000, 65535}) {
    EXPECT_EQ(SignedShare::decode(SignedShare::encode(-2, 0.5F, random), 2), -2);
    EXPECT_EQ(PositiveShare::decode(PositiveShare::encode(2, 0.5F, random), 2), 2);
    EXPECT_EQ(SignedShare::encode(0, 0.5F, random), 0);
    EXPECT_EQ(PositiveShare::encode(0, 0.5F, random), 0);
    EXPECT_GT(PositiveShare::encode(1e-30F, 0.5F, random), 0);
  }
}

TEST(ByteMoments, FirstUpdateIsThatOfFloat32AndMomentsAreNear) {
  const AdamWArena bytes = byte_arena(at::kFloat), plain = plain_arena(at::kFloat);
  apply_adamw(bytes, make_update(1));
  apply_adamw(plain, make_update(1));
  EXPECT_TRUE(at::equal(bytes.weights, plain.weights));
  const at::Tensor m = decoded<SignedShare>(bytes.first_moment, bytes.first_scale);
  const at::Tensor v = decoded<PositiveShare>(bytes.second_moment, bytes.second_scale);
  const auto relative = [](const at::Tensor& ours, const at::Tensor& exact, double least) {
    return ((ours - exact).abs() / (exact.abs() + least)).max().item<double>();
  };
  EXPECT_LT(relative(m, plain.first_moment, 1e-6), kShareTolerance);
  EXPECT_LT(relative(v, plain.second_moment, 1e-12), kShareTolerance);
}

TEST(ByteMoments, ManyUpdatesMoveTheWeightsAsFloat32Does) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const AdamWArena bytes = byte_arena(dtype), plain = plain_arena(at::kFloat);
    const at::Tensor start = plain.weights.clone();
    for (int64_t update = 1; update <= 50; ++update) {
      bytes.gradients.copy_(pattern(update % 5, 0.1, dtype));
      plain.gradients.copy_(bytes.gradients);
      apply_adamw(bytes, make_update(update));
      apply_adamw(plain, make_update(update));
    }
    const at::Tensor moved = plain.weights - start;
    const at::Tensor error = bytes.weights.to(at::kFloat) - plain.weights;
    EXPECT_LT((error.norm() / moved.norm()).item<double>(), 0.1) << dtype;
    EXPECT_TRUE(at::isfinite(bytes.weights).all().item<bool>());
  }
}

TEST(ByteMoments, ThreadsChangeNothing) {
  const AdamWArena one = byte_arena(at::kBFloat16), two = byte_arena(at::kBFloat16);
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

TEST(Master, FollowsFloat32AndTheWeightsAreItsNearest) {
  AdamWArena arena = plain_arena(at::kBFloat16);
  arena.master = arena.weights.to(at::kFloat);
  AdamWArena plain = plain_arena(at::kFloat);
  plain.weights.copy_(arena.weights);
  for (int64_t update = 1; update <= 10; ++update) {
    arena.gradients.copy_(pattern(update, 0.1, at::kBFloat16));
    plain.gradients.copy_(arena.gradients);
    apply_adamw(arena, make_update(update, /*learning_rate=*/1e-5));
    apply_adamw(plain, make_update(update, /*learning_rate=*/1e-5));
  }
  EXPECT_LT(largest_difference(arena.master, plain.weights), 1e-7);
  EXPECT_TRUE(at::equal(arena.weights, arena.master.to(at::kBFloat16)));
  EXPECT_GT(largest_difference(arena.master, arena.weights), 0);
}

TEST(Tiers, RefuseTensorsThatDoNotFit) {
  AdamWArena arena = byte_arena(at::kFloat);
  arena.second_scale = at::zeros(kBlocks - 1);
  EXPECT_THROW(apply_adamw(arena, make_update(1)), Error);
  arena = plain_arena(at::kFloat);
  arena.master = at::zeros(kElements);  // float32 weights are their own master
  EXPECT_THROW(apply_adamw(arena, make_update(1)), Error);
}

}  // namespace
}  // namespace thoughtrank
