#include "thoughtrank/core/watchdog.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

constexpr double kLookAround_s = 1;

thread_local WatchedThread* this_thread = nullptr;

double now_s() { return SystemClock().now_s(); }

// The log may be what hangs: another thread writes to it, and the end does not wait long for it.
[[noreturn]] void end_process(double silent_s, const std::string& work) {
  constexpr double kLongestGoodbye_s = 2;
  std::thread([silent_s, work] {
    log_line(
        LogLevel::error,
        fmt::format("{} has hung for {:.0f} s (limits.hang_minutes): a device or a file system "
                    "does not answer. Nothing is lost: run again, and if it comes back, look "
                    "at the device (dmesg, nvidia-smi) and the disk",
                    work,
                    silent_s));
    ::_exit(static_cast<int>(ExitCode::kDevice));
  }).detach();
  std::this_thread::sleep_for(std::chrono::duration<double>(kLongestGoodbye_s));
  ::_exit(static_cast<int>(ExitCode::kDevice));
}

}  // namespace

void heartbeat() {
  if (this_thread) this_thread->signs.fetch_add(1, std::memory_order_relaxed);
}

Unwatched::Unwatched() {
  if (this_thread) ++this_thread->pauses;
}
Unwatched::~Unwatched() {
  if (this_thread) --this_thread->pauses;
}

Watchdog::Watchdog(double limit_s, std::string work) : limit_s_(limit_s), work_(std::move(work)) {
  if (limit_s <= 0) return;
  if (this_thread) fail(ExitCode::kInternal, "{}: this thread is watched already", work_);
  this_thread = &watched_;
  thread_ = std::jthread([this](const std::stop_token& ended) { watch(ended); });
}

Watchdog::~Watchdog() {
  if (thread_.joinable()) this_thread = nullptr;
}

void Watchdog::watch(const std::stop_token& ended) {
  const double look_s = std::min(kLookAround_s, limit_s_ / 4);
  std::unique_lock lock(mutex_);
  double silent_s = 0;
  double looked_s = now_s();
  for (uint64_t before = watched_.signs.load();;) {
    const auto wait = std::chrono::duration<double>(look_s);
    wake_.wait_for(lock, ended, wait, [] { return false; });
    if (ended.stop_requested()) return;
    // More than twice the wait: this thread stood still as well.
    const double passed_s = std::min(now_s() - std::exchange(looked_s, now_s()), 2 * look_s);
    const uint64_t signs = watched_.signs.load(std::memory_order_relaxed);
    const bool is_silent = signs == std::exchange(before, signs) && watched_.pauses == 0;
    silent_s = is_silent ? silent_s + passed_s : 0;
    if (silent_s >= limit_s_) end_process(silent_s, work_);
  }
}

}  // namespace thoughtrank
