// Memory for keys and values: pages of a pool, sequences that own some of them, and the chunks
// beneath.
#include "thoughtrank/kernels/kv_pages.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "kernels/vector/vector_kernels.h"
#include "support/expect_error.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

constexpr KvShape kShape = {.layers = 3, .kv_heads = 2, .head_dim = 40};

using Bytes = std::pair<const char*, const char*>;  // [begin, end)

Bytes bytes_of(const at::Tensor& tensor) {
  const char* begin = static_cast<const char*>(tensor.const_data_ptr());
  return {begin, begin + tensor.nbytes()};
}

// Sorted by their begin, none reaches into the next.
void expect_apart(std::vector<Bytes> pieces) {
  std::sort(pieces.begin(), pieces.end());
  for (size_t i = 1; i < pieces.size(); ++i) EXPECT_LE(pieces[i - 1].second, pieces[i].first);
}

TEST(HugePageArena, PiecesLieApartOnCacheLines) {
  HugePageArena arena;
  RandomStream stream(1, "pieces");
  std::vector<at::Tensor> pieces;
  std::vector<Bytes> bytes;
  for (int n = 0; n < 300; ++n) {
    const auto dtype = n % 2 == 0 ? at::kFloat : at::kBFloat16;
    const auto rows = static_cast<int64_t>(1 + stream.below(700));
    const auto columns = static_cast<int64_t>(1 + stream.below(300));
    pieces.push_back(arena.take({rows, columns}, dtype));
    EXPECT_EQ(pieces.back().sizes(), (at::IntArrayRef{rows, columns}));
    EXPECT_EQ(pieces.back().scalar_type(), dtype);
    EXPECT_TRUE(pieces.back().is_contiguous());
    bytes.push_back(bytes_of(pieces.back()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.back().first) % kCacheLine, 0U);
  }
  expect_apart(bytes);
}

TEST(HugePageArena, APieceMayBeLargerThanAChunk) {
  HugePageArena arena;
  const at::Tensor before = arena.take({5}, at::kFloat);
  at::Tensor large = arena.take({(int64_t{40} << 20) / 4}, at::kFloat);
  const at::Tensor after = arena.take({5}, at::kFloat);
  large.fill_(1);
  EXPECT_EQ(large[large.numel() - 1].item<float>(), 1);
  expect_apart({bytes_of(before), bytes_of(large), bytes_of(after)});
}

TEST(HugePageArena, PiecesOutliveTheArena) {
  at::Tensor piece;
  {
    HugePageArena arena;
    piece = arena.take({1000}, at::kFloat);
    piece.fill_(3);
    (void)arena.take({int64_t{40} << 20}, at::kFloat);  // opens another chunk
  }
  EXPECT_EQ(piece.sum().item<float>(), 3000);
}

TEST(KvPool, KeysAndValuesOfPagesLayersAndHeadsLieApart) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    KvShape shape = kShape;
    shape.dtype = dtype;
    KvPool pool(shape);
    std::vector<Bytes> pieces;
    const auto element = static_cast<int64_t>(c10::elementSize(dtype));
    for (int n = 0; n < 5; ++n) {
      const int64_t page = pool.take();
      for (int64_t layer = 0; layer < shape.layers; ++layer) {
        for (int64_t head = 0; head < shape.kv_heads; ++head) {
          const char* keys = static_cast<const char*>(pool.keys(page, layer, head));
          EXPECT_EQ(reinterpret_cast<uintptr_t>(keys) % kCacheLine, 0U);
          const char* values = keys + pool.values_offset() * element;
          pieces.push_back({keys, values});
          // Values are padded to whole panels of 32 columns: 40 -> 64.
          pieces.push_back({values, values + kPageTokens * 64 * element});
        }
      }
    }
    expect_apart(pieces);
    int64_t sum = 0;
    for (const auto& [begin, end] : pieces) sum += end - begin;
    EXPECT_EQ(sum, 5 * pool.page_bytes());
  }
}

TEST(KvPool, PagesThatComeBackAreTakenAgain) {
  KvPool pool(kShape);
  std::set<int64_t> pages;
  for (int n = 0; n < 8; ++n) pages.insert(pool.take());
  EXPECT_EQ(pages.size(), 8U);
  EXPECT_EQ(pool.pages_in_use(), 8);
  for (const int64_t page : {*pages.begin(), *pages.rbegin()}) pool.give_back(page);
  EXPECT_EQ(pool.pages_in_use(), 6);
  EXPECT_TRUE(pages.contains(pool.take()));
  EXPECT_TRUE(pages.contains(pool.take()));
  EXPECT_FALSE(pages.contains(pool.take()));
}

TEST(KvPool, ALimitIsKeptAndSaidInWords) {
  KvPool pool(kShape);
  pool.limit_to(3 * pool.page_bytes() + 5);
  EXPECT_EQ(pool.most_pages(), 3);
  EXPECT_TRUE(pool.reserve(2));
  EXPECT_EQ(pool.pages_in_use(), 0);
  EXPECT_FALSE(pool.reserve(4));
  const int64_t first = pool.take();
  for (int n = 0; n < 2; ++n) (void)pool.take();
  EXPECT_FALSE(pool.reserve(1));
  expect_error([&] { (void)pool.take(); }, ExitCode::kInternal, "no memory is left for keys");
  pool.give_back(first);
  EXPECT_TRUE(pool.reserve(1));
  EXPECT_EQ(pool.take(), first);
}

TEST(KvPool, ShapesThatPanelsCannotHoldAreRefused) {
  KvShape odd = kShape, half = kShape;
  odd.head_dim = 7;
  half.dtype = at::kHalf;
  expect_error([&] { KvPool pool(odd); }, ExitCode::kConfig, "found 7 and Float");
  expect_error([&] { KvPool pool(half); }, ExitCode::kConfig, "found 40 and Half");
}

// A sequence takes exactly the pages that it foretold, whatever it is extended by.
TEST(KvSequence, TakesThePagesThatItForetells) {
  RandomStream stream(2, "sequences");
  KvPool pool(kShape);
  for (int64_t first_place = 0; first_place < kPageTokens; first_place += 9) {
    KvSequence sequence(pool, first_place);
    EXPECT_EQ(sequence.pages_for(0), 0);
    int64_t tokens = 0;
    for (int step = 0; step < 12; ++step) {
      const auto more = static_cast<int64_t>(1 + stream.below(100));
      const int64_t before = pool.pages_in_use(), foretold = sequence.pages_for(more);
      sequence.extend(more);
      tokens += more;
      EXPECT_EQ(pool.pages_in_use() - before, foretold);
      EXPECT_EQ(pool.pages_in_use(), (first_place + tokens + kPageTokens - 1) / kPageTokens);
      EXPECT_EQ(sequence.length(), tokens);
    }
    const int64_t last = first_place + tokens - 1;
    EXPECT_EQ(sequence.page(last), sequence.page(last / kPageTokens * kPageTokens));
    std::set<int64_t> pages;
    for (int64_t place = 0; place <= last; place += kPageTokens) pages.insert(sequence.page(place));
    EXPECT_EQ(std::ssize(pages), pool.pages_in_use());
    sequence.clear();
    EXPECT_EQ(pool.pages_in_use(), 0);
  }
}

TEST(KvSequence, GivesItsPagesBackOnceHoweverItIsMoved) {
  KvPool pool(kShape);
  {
    KvSequence first(pool, 5), other(pool);
    first.extend(130);
    other.extend(10);
    EXPECT_EQ(pool.pages_in_use(), 4);
    const int64_t page = first.page(64);
    KvSequence moved = std::move(first);
    EXPECT_EQ(moved.length(), 130);
    EXPECT_EQ(moved.first_place(), 5);
    EXPECT_EQ(moved.page(64), page);
    EXPECT_EQ(pool.pages_in_use(), 4);
    other = std::move(moved);  // its own page comes back
    EXPECT_EQ(pool.pages_in_use(), 3);
    EXPECT_EQ(other.page(64), page);
    KvSequence& same = other;
    other = std::move(same);
    EXPECT_EQ(other.length(), 130);
  }
  EXPECT_EQ(pool.pages_in_use(), 0);
}

TEST(KvSequence, SharedPagesAreFreeWhenTheLastSequenceGoes) {
  KvPool pool(kShape);
  KvSequence second(pool), third(pool);
  {
    KvSequence first(pool);
    first.extend(150);
    second.share(first, 128);
    EXPECT_EQ(second.length(), 128);
    EXPECT_EQ(second.page(70), first.page(70));
    EXPECT_EQ(pool.pages_in_use(), 3);
    EXPECT_EQ(second.pages_for(30), 1);
    second.extend(30);
    EXPECT_NE(second.page(130), first.page(130));
    EXPECT_EQ(pool.pages_in_use(), 4);
    third.share(second, 64);
  }
  EXPECT_EQ(pool.pages_in_use(), 3);
  second.clear();
  EXPECT_EQ(pool.pages_in_use(), 1);
  third.clear();
  EXPECT_EQ(pool.pages_in_use(), 0);
}

TEST(KvSequence, OnlyWholePagesFromTheBeginningAreShared) {
  KvPool pool(kShape);
  KvSequence first(pool), shifted(pool, 5), busy(pool), empty(pool);
  first.extend(150);
  busy.extend(1);
  expect_error([&] { empty.share(first, 100); }, ExitCode::kInternal, "whole pages only");
  expect_error([&] { empty.share(first, 192); }, ExitCode::kInternal, "whole pages only");
  expect_error([&] { busy.share(first, 64); }, ExitCode::kInternal, "whole pages only");
  expect_error([&] { shifted.share(first, 64); }, ExitCode::kInternal, "whole pages only");
}

}  // namespace
}  // namespace thoughtrank
