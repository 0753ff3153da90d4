#include "thoughtrank/kernels/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace thoughtrank {
namespace {

TEST(ThreadPool, DoesEveryItemOnce) {
  for (const int64_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count = 0; count < 300; ++count) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
      pool.for_each(count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
      for (const auto& n : calls) ASSERT_EQ(n, 1);
    }
  }
}

// Thousands of short loops one after the other: no thread works on a loop that has ended.
TEST(ThreadPool, LoopsDoNotMix) {
  ThreadPool pool(3);
  for (int64_t loop = 0; loop < 20000; ++loop) {
    std::atomic<int64_t> sum = 0;
    pool.for_each(7, [&](int64_t i) { sum += loop * i; });
    ASSERT_EQ(sum, loop * 21);
  }
}

TEST(ThreadPool, ThrowsWhatABodyThrew) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.for_each(10,
                             [](int64_t i) {
                               if (i == 4) throw std::runtime_error("four");
                             }),
               std::runtime_error);
  int64_t sum = 0;
  ThreadPool(1).for_each(4, [&](int64_t i) { sum += i; });
  EXPECT_EQ(sum, 6);
}

TEST(ThreadPool, UsesItsThreads) {
  ThreadPool pool(2);
  std::atomic<int> inside = 0;
  pool.for_each(2, [&](int64_t) {
    ++inside;
    while (inside < 2) {
    }
  });
  EXPECT_EQ(inside, 2);
}

}  // namespace
}  // namespace thoughtrank
