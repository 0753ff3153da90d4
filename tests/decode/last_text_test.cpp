#include "decode/last_text.h"

#include <gtest/gtest.h>

#include <numeric>

namespace thoughtrank {
namespace {

std::vector<int64_t> counting(int64_t tokens) {
  std::vector<int64_t> ids(static_cast<size_t>(tokens));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

class LastTextTest : public testing::Test {
 protected:
  void read(const std::vector<int64_t>& ids) {
    KvSequence sequence(pool_);
    sequence.extend(std::ssize(ids));
    last_.keep(ids, sequence);
  }
  int64_t lent(const std::vector<int64_t>& ids) {
    KvSequence sequence(pool_);
    last_.lend_beginning(ids, sequence);
    return sequence.length();
  }

  KvPool pool_{{.layers = 1, .kv_heads = 1, .head_dim = 8}};
  LastText last_{pool_};
};

TEST_F(LastTextTest, LendsTheWholePagesThatAreAlike) {
  EXPECT_EQ(lent(counting(200)), 0);
  read(counting(200));
  EXPECT_EQ(pool_.pages_in_use(), 3);  // the fourth is not whole
  std::vector<int64_t> other = counting(300);
  EXPECT_EQ(lent(other), 192);
  other[191] = 7;
  EXPECT_EQ(lent(other), 128);
  other[0] = 7;
  EXPECT_EQ(lent(other), 0);
}

// Its row is what the first generated token follows from.
TEST_F(LastTextTest, NeverLendsTheLastToken) {
  read(counting(128));
  EXPECT_EQ(lent(counting(128)), 64);
  EXPECT_EQ(lent(counting(129)), 128);
  EXPECT_EQ(lent(counting(64)), 0);
  EXPECT_EQ(lent(counting(1)), 0);
}

TEST_F(LastTextTest, HoldsOneTextAndGivesItBack) {
  read(counting(200));
  read({5, 6, 7});
  EXPECT_EQ(pool_.pages_in_use(), 0);
  EXPECT_EQ(lent(counting(200)), 0);
  read(counting(200));
  last_.forget();
  EXPECT_EQ(pool_.pages_in_use(), 0);
  EXPECT_EQ(lent(counting(200)), 0);
}

}  // namespace
}  // namespace thoughtrank
