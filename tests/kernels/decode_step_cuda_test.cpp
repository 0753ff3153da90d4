// The CUDA kernels on a GPU beside decode_step_test.cpp and decode_attention_test.cpp: attention to
// more and longer texts, and all operations in a CUDA graph.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernels/decode_scene.h"
#include "kernels/random_tensors.h"

namespace thoughtrank {
namespace {

constexpr int64_t kWidth = 1032, kForward = 1544, kPositions = 300, kTokens = 9001;

struct Setup {
  at::ScalarType dtype;
  HeadShape shape;
};

// All operations of a step, each on inputs of its own.
struct Step {
  explicit Step(const SceneSpec& spec);
  void run() const;
  // What run() writes, by name.
  [[nodiscard]] std::vector<std::pair<std::string, at::Tensor>> outputs() const;

  Scene scene;
  at::Tensor chosen_before, table, x;  // (B), (V, C), (B, C)
  at::Tensor delta, weight, normed;    // (B, C), (C), (B, C)
  at::Tensor gate_up, activated;       // (B, 2·F), (B, F)
  at::Tensor place_numbers, cos, sin;  // (3, B), (positions, D)
  at::Tensor attended, logits;         // (B, H·D), (B, V)
  SlotChoices choices;
};

Step::Step(const SceneSpec& spec) : scene(make_scene(spec)) {
  const at::Device device = step_device();
  const int64_t B = scene.qkv.size(0), D = spec.shape.head_dim;
  const auto make = [&](const std::vector<int64_t>& sizes, uint64_t seed) {
    return random_tensor(sizes, seed).to(spec.dtype).to(device);
  };
  const auto make_float = [&](const std::vector<int64_t>& sizes, uint64_t seed) {
    return random_tensor(sizes, seed).to(device);
  };
  chosen_before = at::arange(B, at::TensorOptions(at::kInt).device(device));
  table = make({kTokens, kWidth}, 11);
  x = make_float({B, kWidth}, 12);
  delta = make({B, kWidth}, 13);
  weight = make({kWidth}, 14);
  normed = at::empty_like(delta);
  gate_up = make({B, 2 * kForward}, 15);
  activated = at::empty({B, kForward}, gate_up.options());
  place_numbers = at::empty({3, B}, chosen_before.options());
  cos = make_float({kPositions, D}, 16);
  sin = make_float({kPositions, D}, 17);
  attended = at::empty({B, spec.shape.heads * D}, scene.qkv.options());
  logits = make_float({B, kTokens}, 18);
  choices = {at::empty_like(chosen_before), at::empty({B, 3}, logits.options())};
  for (int64_t b = 0; b < B; ++b) scene.slots.position[b] = 7 * b;
}

void Step::run() const {
  const RowPlaces places = {place_numbers[0], place_numbers[1], place_numbers[2]};
  embed_slots(scene.slots, chosen_before, table, x);
  add_rms_norm_rows(x, delta, weight, 1e-5, normed);
  silu_mul_rows(gate_up, activated);
  find_places(scene.slots, places);
  rotate_and_store(scene.rows(), places, cos, sin);
  attend_prefixes(scene.rows(), scene.slots, scene.part);
  attend_suffixes(scene.rows(), scene.slots, scene.part, attended);
  choose_tokens(logits, choices);
}

std::vector<std::pair<std::string, at::Tensor>> Step::outputs() const {
  return {{"x", x},
          {"normed", normed},
          {"activated", activated},
          {"places", place_numbers},
          {"qkv", scene.qkv},
          {"pages", scene.kv.pages.nan_to_num(/*nan=*/-77.0)},
          {"attended", attended},
          {"chosen", choices.chosen},
          {"scores", choices.scores}};
}

void expect_same_bits(const Step& found, const Step& expected) {
  const auto left = found.outputs(), right = expected.outputs();
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(at::equal(left[i].second, right[i].second)) << left[i].first;
  }
}

SceneSpec mixed_spec(const Setup& setup, int64_t more) {
  SceneSpec spec = {
      .dtype = setup.dtype, .shape = setup.shape, .prefixes = {131, 64, 700}, .slots = {}};
  for (uint64_t i = 0; i < 23; ++i) {
    const auto n = static_cast<int64_t>(i);
    spec.slots.push_back(
        {.seed = i + 1, .length = n % 6 == 5 ? 0 : n * n + more, .prefix = int(i % 4) - 1});
  }
  return spec;
}

class DecodeStepOnCuda : public testing::TestWithParam<Setup> {};

TEST_P(DecodeStepOnCuda, AttentionEqualsPyTorch) {
  const Scene scene = make_scene(mixed_spec(GetParam(), 1));
  EXPECT_TRUE(is_close(attend(scene), attend_by_pytorch(scene)));
}

TEST_P(DecodeStepOnCuda, NeighboursChangeNoBit) {
  const SceneSpec mixed = mixed_spec(GetParam(), 1);
  const at::Tensor together = attend(make_scene(mixed));
  for (size_t b = 0; b < mixed.slots.size(); ++b) {
    SceneSpec alone = mixed;
    alone.slots = {{.seed = 99, .length = 0, .prefix = -1}, mixed.slots[b]};
    const at::Tensor found = attend(make_scene(alone))[1];
    EXPECT_TRUE(at::equal(found, together[static_cast<int64_t>(b)])) << b;
  }
}

// A graph is captured once and replayed with other slots: what it reads is on the device. The table
// comes from pinned memory.
TEST_P(DecodeStepOnCuda, ReplayEqualsEager) {
  const Step eager(mixed_spec(GetParam(), 30)), replayed(mixed_spec(GetParam(), 30));
  eager.run();  // first: kernels are loaded when they are first launched
  const at::Tensor pinned = replayed.scene.slots.memory.cpu().pin_memory();
  replayed.scene.slots.memory.zero_();
  c10::cuda::device_synchronize();
  at::cuda::CUDAGraph graph;
  {
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
    graph.capture_begin();
    replayed.run();
    graph.capture_end();
    replayed.scene.slots.memory.copy_(pinned, /*non_blocking=*/true);
    graph.replay();
    c10::cuda::getCurrentCUDAStream().synchronize();
  }
  expect_same_bits(replayed, eager);
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         DecodeStepOnCuda,
                         testing::Values(Setup{at::kFloat, {6, 2, 64}},
                                         Setup{at::kFloat, {24, 8, 128}},
                                         Setup{at::kBFloat16, {9, 3, 64}},
                                         Setup{at::kBFloat16, {24, 8, 128}},
                                         Setup{at::kBFloat16, {32, 8, 64}},
                                         Setup{at::kBFloat16, {64, 8, 128}},
                                         Setup{at::kBFloat16, {4, 4, 128}},
                                         Setup{at::kBFloat16, {10, 2, 80}}),
                         [](const auto& setup) {
                           const HeadShape& s = setup.param.shape;
                           return std::string(at::toString(setup.param.dtype)) + "_" +
                                  std::to_string(s.heads) + "_" + std::to_string(s.kv_heads) + "_" +
                                  std::to_string(s.head_dim);
                         });

}  // namespace
}  // namespace thoughtrank
