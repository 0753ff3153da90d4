// The CUDA source of AdamW, thread by thread on the host: the bits of the CPU's loops.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/adamw/adamw_cuda.h"
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

// What apply_adamw makes of it.
constexpr adamw::Factors kFactors = {.decay = static_cast<float>(1 - 1e-3),
                                     .step_size = 1e-2f,
                                     .root_correction = 1,
                                     .beta1 = 0.9f,
                                     .beta2 = 0.95f,
                                     .eps = 1e-8f,
                                     .gradient_scale = 0.5f,
                                     .key_low = 5,
                                     .key_high = 6};

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

template <class Weight, class Moment>
void update_emulated(const AdamWArena& arena) {
  adamw::update_on_cuda<Weight, Moment>({.weights = data<Weight>(arena.weights),
                                         .gradients = data<Weight>(arena.gradients),
                                         .first_moment = data<Moment>(arena.first_moment),
                                         .second_moment = data<Moment>(arena.second_moment),
                                         .elements = arena.weights.numel(),
                                         .factors = kFactors},
                                        nullptr);
}

void update_master_emulated(const AdamWArena& arena) {
  adamw::update_on_cuda({.weights = data<uint16_t>(arena.weights),
                         .gradients = data<uint16_t>(arena.gradients),
                         .master = data<float>(arena.master),
                         .first_moment = data<float>(arena.first_moment),
                         .second_moment = data<float>(arena.second_moment),
                         .elements = arena.weights.numel(),
                         .factors = kFactors},
                        nullptr);
}

template <class Weight>
void update_bytes_emulated(const AdamWArena& arena) {
  adamw::update_on_cuda<Weight>({.weights = data<Weight>(arena.weights),
                                 .gradients = data<Weight>(arena.gradients),
                                 .first_moment = data<uint8_t>(arena.first_moment),
                                 .second_moment = data<uint8_t>(arena.second_moment),
                                 .first_scale = data<float>(arena.first_scale),
                                 .second_scale = data<float>(arena.second_scale),
                                 .elements = arena.weights.numel(),
                                 .factors = kFactors},
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

AdamWArena master_arena(int64_t elements) {
  AdamWArena arena = make_arena(at::kBFloat16, at::kFloat, elements);
  arena.master = arena.weights.to(at::kFloat);
  return arena;
}

AdamWArena byte_arena(at::ScalarType weights, int64_t elements) {
  const int64_t blocks = (elements + kMomentBlock - 1) / kMomentBlock;
  AdamWArena arena = make_arena(weights, at::kFloat, elements);
  arena.first_moment = at::zeros({elements}, at::kByte);
  arena.second_moment = at::zeros({elements}, at::kByte);
  arena.first_scale = at::zeros({blocks});
  arena.second_scale = at::zeros({blocks});
  return arena;
}

void expect_equal_state(const AdamWArena& found, const AdamWArena& expected) {
  EXPECT_TRUE(at::equal(found.weights, expected.weights));
  EXPECT_TRUE(at::equal(found.first_moment, expected.first_moment));
  EXPECT_TRUE(at::equal(found.second_moment, expected.second_moment));
  if (found.master.defined()) {
    EXPECT_TRUE(at::equal(found.master, expected.master));
  }
  if (!found.first_scale.defined()) return;
  EXPECT_TRUE(at::equal(found.first_scale, expected.first_scale));
  EXPECT_TRUE(at::equal(found.second_scale, expected.second_scale));
}

// Three updates each: the second reads what the first has stored.
template <class MakeArena, class Update>
void expect_equal_updates(const MakeArena& make, const Update& update) {
  for (const int64_t elements : {1, 8, 255, 256, 257, 2049, 5000}) {
    SCOPED_TRACE(elements);
    const AdamWArena on_cpu = make(elements), emulated = make(elements);
    for (int n = 0; n < 3; ++n) {
      apply_adamw(on_cpu, late_update());
      update(emulated);
      expect_equal_state(emulated, on_cpu);
    }
  }
}

TEST(AdamWEmulated, AMasterEqualsTheCpusToTheBit) {
  expect_equal_updates(master_arena, update_master_emulated);
}

TEST(AdamWEmulated, MomentsInEightBitsEqualTheCpusToTheBit) {
  for (const auto weights : {at::kFloat, at::kBFloat16}) {
    expect_equal_updates(
        [&](int64_t elements) { return byte_arena(weights, elements); },
        weights == at::kFloat ? update_bytes_emulated<float> : update_bytes_emulated<uint16_t>);
  }
}

}  // namespace
}  // namespace thoughtrank
