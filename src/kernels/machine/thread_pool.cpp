#include "thoughtrank/kernels/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

constexpr int kSpins = 2000;  // 25 to 100 µs
constexpr uint64_t kLeftMask = 0xffffffffu;

int64_t left_in(uint64_t word) { return static_cast<int64_t>(word & kLeftMask); }

void pause() { __builtin_ia32_pause(); }

}  // namespace

struct ThreadPool::State {
  // Number of the loop in the upper half, items that nobody has taken in the lower. A thread that
  // has taken items may read `loop`: it stays until they are done.
  alignas(64) std::atomic<uint64_t> word = 0;
  alignas(64) std::atomic<int64_t> done = 0;
  std::atomic<bool> is_over = false;
  Loop loop;
  int64_t threads = 1;
  std::mutex error_mutex;
  std::exception_ptr error;
  std::vector<std::thread> helpers;

  void work();
  void help();
  void call(int64_t begin, int64_t end);
  void wait_until_done() const;
  void end();
};

void ThreadPool::State::call(int64_t begin, int64_t end) {
  try {
    loop.call(loop.body, begin, end);
  } catch (...) {
    const std::lock_guard lock(error_mutex);
    if (!error) error = std::current_exception();
  }
}

// Takes items, many at first and single ones at the end, until none is left.
void ThreadPool::State::work() {
  uint64_t now = word.load(std::memory_order_acquire);
  while (left_in(now) > 0) {
    const int64_t left = left_in(now), taken = std::max<int64_t>(1, left / (2 * threads));
    if (!word.compare_exchange_weak(now, now - static_cast<uint64_t>(taken))) continue;
    const int64_t begin = loop.count - left;
    call(begin, begin + taken);
    done.fetch_add(taken, std::memory_order_release);
    now = word.load(std::memory_order_acquire);
  }
}

void ThreadPool::State::help() {
  while (!is_over) {
    uint64_t now = word.load(std::memory_order_acquire);
    for (int spin = 0; spin < kSpins && left_in(now) == 0; ++spin) {
      pause();
      now = word.load(std::memory_order_acquire);
    }
    if (left_in(now) > 0) {
      work();
    } else if (!is_over) {
      word.wait(now);
    }
  }
}

void ThreadPool::State::wait_until_done() const {
  for (int spin = 0; done.load(std::memory_order_acquire) < loop.count; ++spin) {
    if (spin < kSpins) {
      pause();
    } else {
      std::this_thread::yield();  // the last items are with a thread that has lost its core
    }
  }
}

ThreadPool::ThreadPool(int64_t threads) : state_(std::make_unique<State>()) {
  state_->threads = std::max<int64_t>(1, threads);
  try {
    for (int64_t i = 1; i < threads; ++i) {
      state_->helpers.emplace_back([state = state_.get()] { state->help(); });
    }
  } catch (const std::exception& error) {
    state_->end();
    fail(ExitCode::kInternal,
         "only {} of {} threads could be started ({}): lower the number of threads",
         state_->helpers.size() + 1,
         threads,
         error.what());
  }
}

ThreadPool::~ThreadPool() { state_->end(); }

void ThreadPool::State::end() {
  is_over = true;
  word.fetch_add(kLeftMask + 1);
  word.notify_all();
  for (std::thread& helper : helpers) helper.join();
}

int64_t ThreadPool::threads() const { return state_->threads; }

void ThreadPool::run(const Loop& loop) {
  if (loop.count <= 0) return;
  if (state_->threads == 1 || loop.count == 1) return loop.call(loop.body, 0, loop.count);
  State& s = *state_;
  s.loop = loop;
  s.error = nullptr;
  s.done.store(0, std::memory_order_relaxed);
  const uint64_t number = (s.word.load() | kLeftMask) + 1;
  s.word.store(number | static_cast<uint64_t>(loop.count));
  s.word.notify_all();
  s.work();
  s.wait_until_done();
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace thoughtrank
