#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "kernels/decode_scene.h"
#include "kernels/decode_step/decode_step_element.h"

namespace thoughtrank {
namespace {

struct Setup {
  at::ScalarType dtype;
  HeadShape shape;
};

// Two prefixes, one of them for more slots than a tile has; suffixes that end before, at and after
// the end of a page; a slot without prefix, an empty one with prefix, an empty one without.
SceneSpec mixed_scene(const Setup& setup) {
  SceneSpec spec = {.dtype = setup.dtype, .shape = setup.shape, .prefixes = {131, 64}, .slots = {}};
  spec.slots = {{.seed = 1, .length = 1, .prefix = 0},
                {.seed = 2, .length = 64, .prefix = 1},
                {.seed = 3, .length = 65, .prefix = -1},
                {.seed = 4, .length = 0, .prefix = 0},
                {.seed = 5, .length = 63, .prefix = 0},
                {.seed = 6, .length = 0, .prefix = -1}};
  for (uint64_t i = 0; i < 5; ++i) spec.slots.push_back({.seed = 7 + i, .length = 20, .prefix = 0});
  spec.slots.push_back({.seed = 20, .length = 150, .prefix = 1});
  return spec;
}

class DecodeAttention : public testing::TestWithParam<Setup> {};

TEST_P(DecodeAttention, EqualsPyTorch) {
  const Scene scene = make_scene(mixed_scene(GetParam()));
  EXPECT_TRUE(is_close(attend(scene), attend_by_pytorch(scene)));
}

TEST_P(DecodeAttention, RowsWithoutPrefixHaveAnEmptyPart) {
  const Scene scene = make_scene(mixed_scene(GetParam()));
  attend_prefixes(scene.rows(), scene.slots, scene.part);
  for (int64_t b = 0; b < scene.qkv.size(0); ++b) {
    const SceneSlot& slot = scene.spec.slots[static_cast<size_t>(b)];
    const at::Tensor highest = scene.part.states[b].select(-1, 0),
                     sum = scene.part.states[b].select(-1, 1);
    if (slot.prefix >= 0 && slot.length > 0) {
      EXPECT_TRUE(highest.isfinite().all().item<bool>()) << b;
      EXPECT_TRUE(sum.ge(1).all().item<bool>()) << b;
    } else {
      EXPECT_TRUE(highest.eq(-std::numeric_limits<float>::infinity()).all().item<bool>()) << b;
      EXPECT_TRUE(sum.eq(0).all().item<bool>()) << b;
      EXPECT_TRUE(scene.part.sums[b].eq(0).all().item<bool>()) << b;
    }
  }
}

// A slot alone, and among others in another place: not a bit differs.
TEST_P(DecodeAttention, NeighboursChangeNoBit) {
  const SceneSpec mixed = mixed_scene(GetParam());
  const at::Tensor together = attend(make_scene(mixed));
  for (const size_t b : {1, 2, 4, 9, 11}) {
    SceneSpec alone = mixed;
    alone.slots = {{.seed = 99, .length = 0, .prefix = -1}, mixed.slots[b]};
    EXPECT_TRUE(at::equal(attend(make_scene(alone))[1], together[static_cast<int64_t>(b)])) << b;
  }
  SceneSpec reversed = mixed;
  std::reverse(reversed.slots.begin(), reversed.slots.end());
  EXPECT_TRUE(at::equal(attend(make_scene(reversed)).flip(0), together));
}

TEST_P(DecodeAttention, NotANumberStaysInItsSlot) {
  const Scene scene = make_scene(mixed_scene(GetParam()));
  const at::Tensor expected = attend(scene);
  scene.qkv[6].fill_(std::numeric_limits<float>::quiet_NaN());
  const at::Tensor found = attend(scene);
  EXPECT_TRUE(found[6].isnan().all().item<bool>());
  found[6].copy_(expected[6]);
  EXPECT_TRUE(at::equal(found, expected));
}

// Scores so high and low that exp() alone would overflow. Their own rounding weighs more, too.
TEST_P(DecodeAttention, LargeScoresStayFinite) {
  const Scene scene = make_scene(mixed_scene(GetParam()));
  scene.qkv.mul_(100);
  const double most = 10 * tolerance(GetParam().dtype);
  const at::Tensor found = attend(scene).to(at::kCPU, at::kDouble);
  EXPECT_TRUE(at::allclose(found, attend_by_pytorch(scene), most, most));
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         DecodeAttention,
                         testing::Values(Setup{at::kFloat, {6, 2, 64}},
                                         Setup{at::kFloat, {6, 1, 24}},
                                         Setup{at::kFloat, {2, 2, 128}},
                                         Setup{at::kBFloat16, {6, 2, 64}},
                                         Setup{at::kBFloat16, {3, 1, 128}},
                                         Setup{at::kBFloat16, {4, 1, 128}},
                                         Setup{at::kBFloat16, {2, 2, 64}},
                                         Setup{at::kBFloat16, {5, 1, 80}},
                                         Setup{at::kBFloat16, {12, 1, 64}}),
                         [](const auto& setup) {
                           const HeadShape& s = setup.param.shape;
                           return std::string(at::toString(setup.param.dtype)) + "_" +
                                  std::to_string(s.heads) + "_" + std::to_string(s.kv_heads) + "_" +
                                  std::to_string(s.head_dim);
                         });

// Keys and values of every page, layer, head and place: each element of the pages once.
TEST(DecodeIndices, KeysAndValuesFillThePagesWithoutOverlap) {
  const int pages = 3, layers = 2, D = 8;
  const decode_step::Heads heads = {4, 2, D};
  std::set<int64_t> starts;
  for (int layer = 0; layer < layers; ++layer) {
    const decode_step::KvLayer<const float> kv = {nullptr, layers, layer, heads};
    for (int page = 0; page < pages; ++page) {
      for (int head = 0; head < heads.kv; ++head) {
        for (int place = 0; place < decode_step::kPage; ++place) {
          starts.insert(kv.key(page, head, place) - kv.pages);
          starts.insert(kv.value(page, head, place) - kv.pages);
        }
      }
    }
  }
  const int64_t rows = int64_t{pages} * layers * heads.kv * 2 * decode_step::kPage;
  EXPECT_EQ(std::ssize(starts), rows);
  EXPECT_EQ(*starts.begin(), 0);
  EXPECT_EQ(*starts.rbegin(), (rows - 1) * D);
}

// Every query head of every slot that reads a prefix is in one row of one tile.
TEST(DecodeIndices, TilesHoldEveryRowOnce) {
  const SceneSpec spec = mixed_scene({at::kFloat, {6, 2, 8}});
  const SlotTable table = make_scene(spec).on(at::kCPU).slots;
  const decode_step::Heads heads = {6, 2, 8};
  decode_step::Slots slots = {};
  slots.count = static_cast<int>(table.length.size(0));
  slots.slots_of_tile = static_cast<int>(table.prefix_tiles.size(1));
  slots.length = table.length.const_data_ptr<int32_t>();
  slots.prefix_length = table.prefix_length.const_data_ptr<int32_t>();
  slots.prefix_tiles = table.prefix_tiles.const_data_ptr<int32_t>();
  std::multiset<std::pair<int, int>> rows;
  for (int tile = 0; tile < slots.count; ++tile) {
    for (int row = 0; row < heads.kv * decode_step::kTile; ++row) {
      const decode_step::TileRow found = decode_step::tile_row(
          slots, heads, tile, row / decode_step::kTile, row % decode_step::kTile);
      if (found.slot >= 0) rows.insert({found.slot, found.head});
    }
  }
  std::multiset<std::pair<int, int>> expected;
  for (int slot = 0; slot < slots.count; ++slot) {
    for (int head = 0; head < heads.query && slots.reads_prefix(slot); ++head) {
      expected.insert({slot, head});
    }
  }
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(expected.size(), size_t{9 * 6});
}

}  // namespace
}  // namespace thoughtrank
