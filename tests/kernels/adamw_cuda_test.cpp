// AdamW on a GPU: the CPU's numbers, but for a last bit where the compilers fuse differently.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/random_tensors.h"
#include "thoughtrank/kernels/adamw.h"

namespace thoughtrank {
namespace {

constexpr int64_t kElements = 100003;

AdamWArena make_arena(at::ScalarType weights, at::ScalarType moments, at::Device device) {
  return {.weights = random_tensor({kElements}, 1).to(weights).to(device),
          .gradients = random_tensor({kElements}, 2).to(weights).to(device),
          .first_moment = at::zeros({kElements}, at::TensorOptions(moments).device(device)),
          .second_moment = at::zeros({kElements}, at::TensorOptions(moments).device(device))};
}

AdamWArena with_master(AdamWArena arena) {
  arena.master = arena.weights.to(at::kFloat);
  return arena;
}

AdamWArena with_scales(AdamWArena arena) {
  const int64_t blocks = (kElements + kMomentBlock - 1) / kMomentBlock;
  arena.first_scale = at::zeros({blocks}, arena.weights.options().dtype(at::kFloat));
  arena.second_scale = at::zeros_like(arena.first_scale);
  return arena;
}

void update_thrice(const AdamWArena& arena) {
  for (uint32_t i = 1; i <= 3; ++i) {
    apply_adamw(arena,
                {.learning_rate = 1e-2,
                 .weight_decay = 0.1,
                 .gradient_scale = 0.5,
                 .update = i,
                 .rounding = {.low = i, .high = 6}});
  }
}

// Nearly all equal to the bit, and none further off than a unit in bfloat16's last place.
void expect_alike(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor host = found.cpu();
  const bool is_float = host.scalar_type() == at::kFloat;
  EXPECT_TRUE(at::allclose(host.to(at::kDouble),
                           expected.to(at::kDouble),
                           /*rtol=*/is_float ? 1e-5 : 1e-2,
                           /*atol=*/1e-6));
  if (!is_float) {
    EXPECT_GT(host.eq(expected).to(at::kDouble).mean().item<double>(), 0.99);
  }
}

TEST(AdamWOnCuda, EqualsTheCpu) {
  for (const auto weights : {at::kFloat, at::kBFloat16}) {
    for (const auto moments : {at::kFloat, at::kBFloat16}) {
      const AdamWArena on_cpu = make_arena(weights, moments, at::kCPU);
      const AdamWArena on_gpu = make_arena(weights, moments, at::Device(at::kCUDA, 0));
      update_thrice(on_cpu);
      update_thrice(on_gpu);
      expect_alike(on_gpu.weights, on_cpu.weights);
      expect_alike(on_gpu.first_moment, on_cpu.first_moment);
      expect_alike(on_gpu.second_moment, on_cpu.second_moment);
    }
  }
}

TEST(AdamWOnCuda, AMasterEqualsTheCpus) {
  const auto make = [](at::Device device) {
    return with_master(make_arena(at::kBFloat16, at::kFloat, device));
  };
  const AdamWArena on_cpu = make(at::kCPU), on_gpu = make(at::Device(at::kCUDA, 0));
  update_thrice(on_cpu);
  update_thrice(on_gpu);
  expect_alike(on_gpu.master, on_cpu.master);
  expect_alike(on_gpu.weights, on_cpu.weights);
}

TEST(AdamWOnCuda, MomentsInEightBitsEqualTheCpus) {
  for (const auto weights : {at::kFloat, at::kBFloat16}) {
    const auto make = [&](at::Device device) {
      return with_scales(make_arena(weights, at::kByte, device));
    };
    const AdamWArena on_cpu = make(at::kCPU), on_gpu = make(at::Device(at::kCUDA, 0));
    update_thrice(on_cpu);
    update_thrice(on_gpu);
    expect_alike(on_gpu.weights, on_cpu.weights);
    expect_alike(on_gpu.first_scale, on_cpu.first_scale);
    expect_alike(on_gpu.second_scale, on_cpu.second_scale);
    const at::Tensor same = on_gpu.first_moment.cpu().eq(on_cpu.first_moment);
    EXPECT_GT(same.to(at::kDouble).mean().item<double>(), 0.99);
  }
}

}  // namespace
}  // namespace thoughtrank
