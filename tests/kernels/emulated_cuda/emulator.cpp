#include "kernels/emulated_cuda/emulator.h"

#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <vector>

namespace thoughtrank::emulated {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
// Stacks begin so many bytes apart, lest those of a warp fall on the same lines of the cache.
constexpr size_t kStackStep = 448;
constexpr size_t kWarp = 32;

enum class Waits { kNot, kForWarp, kForBlock, kDone };

// What the compiler's own setjmp keeps: unlike that of libc, and swapcontext(), it makes no call.
struct Place {
  void* words[5];
};

struct Copy {
  char* to;
  const void* from;  // nullptr: zeros
};

// One thread of a block, and then of the next: what makes a fiber costs two system calls.
struct Fiber {
  ucontext_t beginning;
  bool has_begun = false;
  Place here;  // where it goes on
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  Waits waits = Waits::kNot;
  std::vector<Copy> group;               // not ended yet
  std::deque<std::vector<Copy>> groups;  // ended
};

// The block that runs; there is one at a time.
struct Block {
  Place scheduler;
  size_t threads = 0;
  std::vector<std::unique_ptr<Fiber>> fibers;  // those from `threads` on are idle
  std::vector<Lanes> warps;
  std::unique_ptr<char[]> shared;
  const std::function<void()>* body = nullptr;
};
Block block;

Fiber& running() { return *block.fibers[threadIdx.x]; }

// A function of its own: none may both keep a place and jump.
[[gnu::noipa]] void go_on_at(Place& place) { __builtin_longjmp(place.words, 1); }

// Goes back to run_until_it_waits().
[[gnu::noipa]] void wait(Waits what) {
  Fiber& fiber = running();
  fiber.waits = what;
  if (__builtin_setjmp(fiber.here.words) == 0) go_on_at(block.scheduler);
}

void run_block_after_block() {
  while (true) {
    (*block.body)();
    wait(Waits::kDone);
  }
}

[[gnu::noipa]] void run_until_it_waits(Fiber& fiber) {
  if (__builtin_setjmp(block.scheduler.words) != 0) return;
  if (fiber.has_begun) go_on_at(fiber.here);
  fiber.has_begun = true;
  setcontext(&fiber.beginning);
}

std::unique_ptr<Fiber> make_fiber() {
  auto fiber = std::make_unique<Fiber>();
  getcontext(&fiber->beginning);
  fiber->beginning.uc_stack.ss_sp = fiber->stack.get();
  fiber->beginning.uc_stack.ss_size = kStackBytes - block.fibers.size() % 32 * kStackStep;
  fiber->beginning.uc_link = nullptr;
  makecontext(&fiber->beginning, run_block_after_block, 0);
  return fiber;
}

void begin_block(Fiber& fiber) {
  fiber.waits = Waits::kNot;
  fiber.group.clear();
  fiber.groups.clear();
}

// Lets the fibers [first, first + count) go on where all of them wait for the same.
bool release(size_t first, size_t count, Waits what) {
  const auto begin = block.fibers.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  if (!std::all_of(begin, end, [&](const auto& fiber) { return fiber->waits == what; })) {
    return false;
  }
  std::for_each(begin, end, [](const auto& fiber) { fiber->waits = Waits::kNot; });
  return true;
}

// Runs the threads of a warp until they wait for the block or are done.
void run_warp(size_t first, bool from_the_last) {
  do {
    for (size_t i = 0; i < kWarp; ++i) {
      const size_t thread = first + (from_the_last ? kWarp - 1 - i : i);
      Fiber& fiber = *block.fibers[thread];
      if (fiber.waits != Waits::kNot) continue;
      threadIdx.x = static_cast<unsigned>(thread);
      run_until_it_waits(fiber);
    }
  } while (release(first, kWarp, Waits::kForWarp));
}

// Runs all threads up to the next barrier of the block. False: they are done.
bool run_once(bool from_the_last) {
  const size_t warps = block.warps.size();
  for (size_t i = 0; i < warps; ++i) {
    run_warp((from_the_last ? warps - 1 - i : i) * kWarp, from_the_last);
  }
  if (release(0, block.threads, Waits::kForBlock)) return true;
  if (release(0, block.threads, Waits::kDone)) return false;
  block.fibers.clear();  // they are in the middle of this block
  throw std::logic_error("not all threads reach a barrier");
}

void run_block(int shared_bytes, bool from_the_last) {
  const auto bytes = static_cast<size_t>(shared_bytes);
  block.shared.reset(new char[bytes + 1]);
  std::memset(block.shared.get(), 0xFF, bytes);  // NaN in every format
  for (size_t i = 0; i < block.threads; ++i) begin_block(*block.fibers[i]);
  while (run_once(from_the_last)) {
  }
}

}  // namespace

void run_blocks(dim3 blocks, int threads, int shared_bytes, const std::function<void()>& body) {
  block.threads = static_cast<size_t>(threads);
  while (block.fibers.size() < block.threads) block.fibers.push_back(make_fiber());
  block.warps.assign(block.threads / kWarp, {});
  block.body = &body;
  gridDim = blocks;
  bool from_the_last = false;  // every other block runs its threads in reverse
  for (blockIdx.z = 0; blockIdx.z < blocks.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < blocks.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < blocks.x; ++blockIdx.x) {
        run_block(shared_bytes, from_the_last);
        from_the_last = !from_the_last;
      }
    }
  }
}

void sync_block() { wait(Waits::kForBlock); }
void sync_warp() { wait(Waits::kForWarp); }
void* dynamic_shared() { return block.shared.get(); }
Lanes& lanes() { return block.warps[threadIdx.x / kWarp]; }

void copy_later(void* to, const void* from, bool is_there) {
  running().group.push_back({static_cast<char*>(to), is_there ? from : nullptr});
}

void end_group() {
  running().groups.push_back(std::move(running().group));
  running().group.clear();
}

void finish_groups_but(int pending) {
  auto& groups = running().groups;
  for (; std::ssize(groups) > pending; groups.pop_front()) {
    for (const Copy& copy : groups.front()) {
      copy.from ? std::memcpy(copy.to, copy.from, 16) : std::memset(copy.to, 0, 16);
    }
  }
}

}  // namespace thoughtrank::emulated
