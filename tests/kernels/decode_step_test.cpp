#include "thoughtrank/kernels/decode_step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/decode_scene.h"
#include "kernels/random_tensors.h"
#include "support/expect_error.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Tensors where the operations run.
at::Tensor here(const at::Tensor& t) { return t.to(step_device()); }
at::Tensor ints(const std::vector<int32_t>& values) { return here(at::tensor(values, at::kInt)); }
at::Tensor randoms(const std::vector<int64_t>& sizes, uint64_t seed) {
  return here(random_tensor(sizes, seed));
}
at::TensorOptions here(at::ScalarType dtype) { return at::device(step_device()).dtype(dtype); }

class DecodeStep : public testing::TestWithParam<at::ScalarType> {};

TEST(SlotTables, AreViewsOfOneTensor) {
  const SlotTable table = make_slot_table(
      {.slots = 3, .suffix_pages = 4, .prefix_pages = 2, .slots_of_tile = 5}, step_device());
  EXPECT_EQ(table.memory.numel(), 3 * (4 + 4 + 2 + 5));
  EXPECT_TRUE(table.token.eq(-1).all().item<bool>());
  EXPECT_TRUE(table.prefix_tiles.eq(-1).all().item<bool>());
  EXPECT_TRUE(table.length.eq(0).all().item<bool>());
  int32_t next = 1;
  for (const at::Tensor& view : {table.token,
                                 table.position,
                                 table.length,
                                 table.prefix_length,
                                 table.suffix_pages,
                                 table.prefix_pages,
                                 table.prefix_tiles}) {
    view.fill_(next++);
  }
  EXPECT_TRUE(table.memory.eq(0).logical_not().all().item<bool>());  // no number in no view
  EXPECT_EQ(table.memory.eq(1).sum().item<int64_t>(), 3);            // nor in two
  EXPECT_EQ(table.suffix_pages.sizes(), (at::IntArrayRef{3, 4}));
  EXPECT_EQ(table.suffix_pages.eq(5).sum().item<int64_t>(), 12);
}

TEST_P(DecodeStep, EmbeddingsAreRowsOfTheTable) {
  const SlotTable slots = make_slot_table(
      {.slots = 4, .suffix_pages = 1, .prefix_pages = 1, .slots_of_tile = 1}, step_device());
  slots.token.copy_(ints({3, -1, 2, -1}));
  slots.length.copy_(ints({1, 7, 0, 0}));
  for (const int64_t C : {24, 1032}) {
    const at::Tensor table = randoms({6, C}, 1).to(GetParam());
    const at::Tensor x = at::full({4, C}, kNan, here(at::kFloat));
    embed_slots(slots, ints({0, 5, 0, 1 << 30}), table, x);
    EXPECT_TRUE(at::equal(x[0], table[3].to(at::kFloat))) << C;
    EXPECT_TRUE(at::equal(x[1], table[5].to(at::kFloat))) << C;
    EXPECT_TRUE(x.narrow(0, 2, 2).eq(0).all().item<bool>()) << C;
  }
}

TEST_P(DecodeStep, NormAddsTheResidualAndScales) {
  const double eps = 0.1;  // large enough to be seen
  for (const int64_t C : {8, 576, 1032}) {
    const at::Tensor x = randoms({3, C}, 1), before = x.clone();
    const at::Tensor delta = randoms({3, C}, 2).to(GetParam());
    const at::Tensor weight = randoms({C}, 3).to(GetParam());
    const at::Tensor out = at::empty({3, C}, here(GetParam()));
    const at::Tensor sum = before + delta.to(at::kFloat);
    const at::Tensor expected = at::rms_norm(sum.to(at::kDouble), {C}, weight.to(at::kDouble), eps);
    add_rms_norm_rows(x, delta, weight, eps, out);
    EXPECT_TRUE(at::equal(x, sum)) << C;
    EXPECT_TRUE(is_close(out, expected)) << C;
    const at::Tensor without_delta = at::empty_like(out);
    add_rms_norm_rows(x, at::Tensor(), weight, eps, without_delta);
    EXPECT_TRUE(at::equal(x, sum)) << C;
    EXPECT_TRUE(at::equal(without_delta, out)) << C;
  }
}

TEST_P(DecodeStep, SiluTimesUp) {
  for (const int64_t F : {8, 1536}) {
    const at::Tensor gate_up = (randoms({3, 2 * F}, 1) * 20).to(GetParam());
    const at::Tensor gate = gate_up.narrow(1, 0, F).to(at::kDouble);
    const at::Tensor out = at::empty({3, F}, here(GetParam()));
    silu_mul_rows(gate_up, out);
    EXPECT_TRUE(is_close(out, at::silu(gate) * gate_up.narrow(1, F, F))) << F;
  }
}

TEST_P(DecodeStep, SiluOfExtremes) {
  const at::Tensor gate_up = at::ones({1, 16}, here(GetParam()));
  const at::Tensor out = at::empty({1, 8}, here(GetParam()));
  gate_up[0][0] = kNan;
  gate_up[0][1] = -1e30;
  gate_up[0][2] = 1e30;
  silu_mul_rows(gate_up, out);
  EXPECT_TRUE(out[0][0].isnan().item<bool>());
  EXPECT_EQ(out[0][1].item<float>(), 0);
  EXPECT_GT(out[0][2].item<float>(), 9e29);
}

RowPlaces empty_places(int64_t rows) {
  const at::Tensor numbers = at::full({3, rows}, -7, here(at::kInt));
  return {numbers[0], numbers[1], numbers[2]};
}

TEST(Places, AreThoseOfTheLastTokens) {
  const SlotTable slots = make_slot_table(
      {.slots = 4, .suffix_pages = 3, .prefix_pages = 1, .slots_of_tile = 1}, step_device());
  slots.position.copy_(ints({40, 41, 42, 43}));
  slots.length.copy_(ints({1, 64, 0, 65}));
  slots.suffix_pages.copy_(at::arange(20, 32, here(at::kInt)).view({4, 3}));
  const RowPlaces places = empty_places(4);
  find_places(slots, places);
  EXPECT_TRUE(at::equal(places.position, ints({40, 41, 42, 43})));
  EXPECT_TRUE(at::equal(places.page, ints({20, 23, -1, 30})));
  EXPECT_EQ(places.place[0].item<int>(), 0);
  EXPECT_EQ(places.place[1].item<int>(), 63);
  EXPECT_EQ(places.place[3].item<int>(), 0);
}

// (R, heads, D) turned by Hugging Face's rotate_half.
at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(2) / 2;
  const at::Tensor turned = at::cat({-x.narrow(2, half, half), x.narrow(2, 0, half)}, -1);
  return x * cos.unsqueeze(1) + turned * sin.unsqueeze(1);
}

void expect_rotated_and_stored(at::ScalarType dtype, const HeadShape& shape) {
  const int64_t R = 3, layers = 2;
  const auto [H, K, D] = shape;
  const at::Tensor qkv = randoms({R, (H + 2 * K) * D}, 1).to(dtype);
  const at::Tensor cos = randoms({9, D}, 2), sin = randoms({9, D}, 3);
  const DeviceKv kv = {at::full({5, layers, K, 2, 64, D}, kNan, here(dtype))};
  const RowPlaces places = {ints({8, 0, 3}), ints({4, -1, 2}), ints({63, 5, 0})};
  const at::Tensor heads = qkv.view({R, H + 2 * K, D}), values = heads.narrow(1, H + K, K).clone();
  const at::Tensor expected = rotated(heads.narrow(1, 0, H + K).to(at::kDouble),
                                      cos.index_select(0, places.position).to(at::kDouble),
                                      sin.index_select(0, places.position).to(at::kDouble));
  rotate_and_store({.qkv = qkv, .shape = shape, .kv = kv, .layer = 1}, places, cos, sin);
  EXPECT_TRUE(is_close(heads.narrow(1, 0, H + K), expected));
  EXPECT_TRUE(at::equal(heads.narrow(1, H + K, K), values));
  for (const int64_t row : {0, 2}) {
    const at::Tensor stored = kv.pages[places.page[row].item<int>()][1].select(
        2, places.place[row].item<int>());  // (K, 2, D)
    EXPECT_TRUE(at::equal(stored.select(1, 0), heads[row].narrow(0, H, K))) << row;
    EXPECT_TRUE(at::equal(stored.select(1, 1), values[row])) << row;
  }
  EXPECT_EQ(kv.pages.isnan().logical_not().sum().item<int64_t>(), 2 * K * 2 * D);
}

// Heads that a block of the kernel turns at once, and more of them.
TEST_P(DecodeStep, RotatesAndStores) {
  expect_rotated_and_stored(GetParam(), {4, 2, 24});
  expect_rotated_and_stored(GetParam(), {24, 8, 128});
}

SlotChoices choose(const at::Tensor& logits) {
  const SlotChoices choices = {at::full({logits.size(0)}, -7, here(at::kInt)),
                               at::full({logits.size(0), 3}, kNan, here(at::kFloat))};
  choose_tokens(logits, choices);
  return choices;
}

TEST(Choices, AreTheHighestLogits) {
  for (const int64_t V : {2, 7, 1000, 9001, 12288}) {
    const at::Tensor logits = randoms({3, V}, static_cast<uint64_t>(V)) * 4;
    const SlotChoices found = choose(logits);
    const auto [best, ids] = logits.to(at::kDouble).topk(2);
    const at::Tensor log_probabilities = logits.to(at::kDouble).log_softmax(-1);
    const at::Tensor expected =
        at::stack({log_probabilities.gather(1, ids.narrow(1, 0, 1)).squeeze(1),
                   best.select(1, 0) - best.select(1, 1),
                   at::ones({3}, here(at::kDouble))},
                  1);
    EXPECT_TRUE(at::equal(found.chosen, ids.select(1, 0).to(at::kInt))) << V;
    EXPECT_TRUE(is_close(found.scores, expected)) << V << "\n" << found.scores << expected;
  }
}

TEST(Choices, TheLowestIdWinsTies) {
  for (const int64_t V : {4096, 4097}) {
    const at::Tensor logits = randoms({2, V}, 1);
    for (const int64_t id : {4001, 77, 1029}) logits[0][id] = 50;
    logits[1].zero_();
    const SlotChoices found = choose(logits);
    EXPECT_TRUE(at::equal(found.chosen, ints({77, 0})));
    EXPECT_EQ(found.scores[0][1].item<float>(), 0);
    EXPECT_NEAR(found.scores[1][0].item<float>(), -std::log(static_cast<double>(V)), 1e-5);
  }
}

TEST(Choices, SayWhereLogitsAreNotFinite) {
  const at::Tensor logits = randoms({5, 2000}, 1);
  logits[1][1500] = kNan;
  logits[2][1501] = kInfinity;
  logits[3][3] = -kInfinity;
  logits[4].fill_(kNan);
  const SlotChoices found = choose(logits);
  const at::Tensor expected = here(at::tensor(std::vector<float>{1, 0, 0, 0, 0}));
  EXPECT_TRUE(at::equal(found.scores.select(1, 2), expected));
  EXPECT_EQ(found.chosen[2].item<int>(), 1501);
  EXPECT_EQ(found.chosen[4].item<int>(), 0);
  EXPECT_NE(found.chosen[1].item<int>(), 1500);
}

template <class Function>
void expect_refused(const Function& function, const std::string& part) {
  expect_error(function, ExitCode::kInternal, part);
}

TEST(Checks, TensorsThatDoNotFitAreRefused) {
  const auto floats = here(at::kFloat);
  const at::Tensor x = at::zeros({2, 16}, floats), weight = at::ones({16}, floats);
  const auto empty = [&](const std::vector<int64_t>& sizes) { return at::empty(sizes, floats); };
  expect_refused(
      [&] {
        add_rms_norm_rows(x, {}, weight, 1e-5, empty({2, 24}));
      },
      "add_rms_norm_rows: out should be Float 2 × 16, contiguous, aligned and on " +
          step_device().str() + ", found Float 2 × 24");
  expect_refused([&] { add_rms_norm_rows(x.to(at::kDouble), {}, weight, 1e-5, x); }, "x should be");
  expect_refused([&] { silu_mul_rows(x.t(), empty({16, 8})); }, "gate_up should be");
  expect_refused([&] { silu_mul_rows(empty({2, 10}), empty({2, 5})); }, "multiples of 8");
  expect_refused([&] { choose_tokens(x, {empty({2}), empty({2, 3})}); }, "chosen");
  Scene scene = make_scene({at::kFloat, {4, 2, 16}, {5}, {{1, 3, 0}}});
  expect_refused(
      [&] {
        LayerRows rows = scene.rows();
        rows.layer = 2;
        attend_prefixes(rows, scene.slots, scene.part);
      },
      "layer 2 of 2");
  expect_refused(
      [&] {
        LayerRows rows = scene.rows();
        rows.shape = {4, 1, 16};
        attend_prefixes(rows, scene.slots, scene.part);
      },
      "a tile should have 4 slots, found 8");
}

INSTANTIATE_TEST_SUITE_P(Types,
                         DecodeStep,
                         testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(at::toString(type.param)); });

}  // namespace
}  // namespace thoughtrank
