#include "kernels/emulated_cuda/emulator.h"

#include <setjmp.h>
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
constexpr size_t kWarp = 32;

enum class Waits { kNot, kForWarp, kForBlock, kDone };

struct Copy {
  char* to;
  const void* from;  // nullptr: zeros
};

struct Fiber {
  ucontext_t beginning;
  bool has_begun = false;
  jmp_buf here;  // where it goes on: unlike swapcontext() a jump makes no system call
  std::vector<char> stack = std::vector<char>(kStackBytes);
  Waits waits = Waits::kNot;
  std::vector<Copy> group;               // not ended yet
  std::deque<std::vector<Copy>> groups;  // ended
};

// The block that runs; there is one at a time.
struct Block {
  jmp_buf scheduler;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Lanes> warps;
  std::unique_ptr<char[]> shared;
  const std::function<void()>* body = nullptr;
};
Block block;

Fiber& running() { return *block.fibers[threadIdx.x]; }

void start_fiber() {
  (*block.body)();
  running().waits = Waits::kDone;
  _longjmp(block.scheduler, 1);
}

// Back to run_until_it_waits().
void wait(Waits what) {
  Fiber& fiber = running();
  fiber.waits = what;
  if (_setjmp(fiber.here) == 0) _longjmp(block.scheduler, 1);
}

void run_until_it_waits(Fiber& fiber) {
  if (_setjmp(block.scheduler) != 0) return;
  if (fiber.has_begun) _longjmp(fiber.here, 1);
  fiber.has_begun = true;
  setcontext(&fiber.beginning);
}

void prepare(Fiber& fiber) {
  fiber.waits = Waits::kNot;
  fiber.group.clear();
  fiber.groups.clear();
  fiber.has_begun = false;
  getcontext(&fiber.beginning);
  fiber.beginning.uc_stack.ss_sp = fiber.stack.data();
  fiber.beginning.uc_stack.ss_size = fiber.stack.size();
  fiber.beginning.uc_link = nullptr;
  makecontext(&fiber.beginning, start_fiber, 0);
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

// Runs every fiber that does not wait up to where it does. False: all are done.
bool run_once(bool from_the_last) {
  const size_t threads = block.fibers.size();
  for (size_t i = 0; i < threads; ++i) {
    const size_t thread = from_the_last ? threads - 1 - i : i;
    Fiber& fiber = *block.fibers[thread];
    if (fiber.waits != Waits::kNot) continue;
    threadIdx.x = static_cast<unsigned>(thread);
    run_until_it_waits(fiber);
  }
  bool goes_on = release(0, threads, Waits::kForBlock);
  for (size_t first = 0; first < threads; first += kWarp) {
    goes_on |= release(first, kWarp, Waits::kForWarp);
  }
  const bool is_done = std::all_of(block.fibers.begin(), block.fibers.end(), [](const auto& fiber) {
    return fiber->waits == Waits::kDone;
  });
  if (!goes_on && !is_done) throw std::logic_error("not all threads reach a barrier");
  return !is_done;
}

void run_block(int shared_bytes, bool from_the_last) {
  const auto bytes = static_cast<size_t>(shared_bytes);
  block.shared.reset(new char[bytes + 1]);
  std::memset(block.shared.get(), 0xFF, bytes);  // NaN in every format
  for (const auto& fiber : block.fibers) prepare(*fiber);
  while (run_once(from_the_last)) {
  }
}

}  // namespace

void run_blocks(dim3 blocks, int threads, int shared_bytes, const std::function<void()>& body) {
  block.fibers.resize(static_cast<size_t>(threads));
  for (auto& fiber : block.fibers) {
    if (!fiber) fiber = std::make_unique<Fiber>();
  }
  block.warps.resize(static_cast<size_t>(threads) / kWarp);
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
