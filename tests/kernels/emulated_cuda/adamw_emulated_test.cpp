// The CUDA source of AdamW, thread by thread on the host: the bits of the CPU's loops.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/adamw_cuda.h"
#include "kernels/random_tensors.h"
#include "thoughtrank/kernels/adamw.h"

namespace thoughtrank {
namespace {

AdamWArena make_arena(at::ScalarType weights, at::ScalarType moments, int64_t elements) {
  return {.weights = random_tensor({elements}, 1).to(weights),
          .gradients = random_tensor({elements}, 2).to(weights),
          .first_moment = random_tensor({elements}, 3).to(moments),
          .second_moment = random_tensor({elements}, 4).square().to(moments)};
}

// One update with decay and clipping; no bias correction, as of a late one.
AdamWUpdate late_update() {
  return {.learning_rate = 1e-2,
          .weight_decay = 0.1,
          .gradient_scale = 0.5,
          .update = 1 << 20,
          .rounding = {.low = 5, .high = 6}};
}

template <class Weight, class Moment>
void update_emulated(const AdamWArena& arena) {
  adamw::update_on_cuda<Weight, Moment>(
      {.weights = static_cast<Weight*>(arena.weights.mutable_data_ptr()),
       .gradients = static_cast<const Weight*>(arena.gradients.const_data_ptr()),
       .first_moment = static_cast<Moment*>(arena.first_moment.mutable_data_ptr()),
       .second_moment = static_cast<Moment*>(arena.second_moment.mutable_data_ptr()),
       .elements = arena.weights.numel(),
       .factors = {.decay = static_cast<float>(1 - 1e-3),
                   .step_size = 1e-2f,
                   .root_correction = 1,
                   .beta1 = 0.9f,
                   .beta2 = 0.95f,
                   .eps = 1e-8f,
                   .gradient_scale = 0.5f,
                   .key_low = 5,
                   .key_high = 6}},
      nullptr);
}

template <class Weight, class Moment>
void expect_equal_bits(at::ScalarType weights, at::ScalarType moments) {
  for (const int64_t elements : {1, 8, 2049, 5000}) {
    const AdamWArena on_cpu = make_arena(weights, moments, elements);
    const AdamWArena emulated = make_arena(weights, moments, elements);
    apply_adamw(on_cpu, late_update());
    update_emulated<Weight, Moment>(emulated);
    EXPECT_TRUE(at::equal(emulated.weights, on_cpu.weights)) << elements;
    EXPECT_TRUE(at::equal(emulated.first_moment, on_cpu.first_moment)) << elements;
    EXPECT_TRUE(at::equal(emulated.second_moment, on_cpu.second_moment)) << elements;
  }
}

TEST(AdamWEmulated, EqualsTheCpuToTheBit) {
  expect_equal_bits<float, float>(at::kFloat, at::kFloat);
  expect_equal_bits<float, uint16_t>(at::kFloat, at::kBFloat16);
  expect_equal_bits<uint16_t, float>(at::kBFloat16, at::kFloat);
  expect_equal_bits<uint16_t, uint16_t>(at::kBFloat16, at::kBFloat16);
}

}  // namespace
}  // namespace thoughtrank
