#include "thoughtrank/core/clock.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/watchdog.h"

namespace thoughtrank {
namespace {

// What a signal handler may touch: lock-free atomics.
std::atomic<StopFlag*> watched_flag{nullptr};
std::atomic<int> signals_seen{0};
std::atomic<int> interrupts_seen{0};
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  signals_seen.fetch_add(1);
  if (signal == SIGINT && interrupts_seen.fetch_add(1) > 0) {
    ::_exit(static_cast<int>(ExitCode::kInterrupted));
  }
  watched_flag.load()->request(signal);
}

// No SA_RESTART: blocking calls return, so that whoever waits asks its stop flag.
void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(signal, &action, nullptr) != 0) {
    fail(ExitCode::kInternal, "cannot install the handler of signal {}", signal);
  }
}

}  // namespace

double SystemClock::now_s() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string SystemClock::utc_time() const {
  const time_t now = ::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&now, &parts);
  char text[32];
  const size_t length = ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

// A signal may be delivered to another thread than the one that sleeps: sleep in slices, look in
// between.
void SystemClock::sleep_s(double seconds) {
  constexpr double kSlice_s = 0.1;
  const int seen_before = signals_seen.load();
  const double end_s = now_s() + seconds;
  for (double left_s = seconds; left_s > 0; left_s = end_s - now_s()) {
    const double slice_s = std::min(left_s, kSlice_s);
    const timespec slice{0, static_cast<long>(slice_s * 1e9)};
    ::nanosleep(&slice, nullptr);
    heartbeat();
    if (signals_seen.load() != seen_before) return;
  }
}

void StopFlag::throw_if_set() const {
  heartbeat();
  const int received = signal();
  if (received == 0) return;
  if (received == SIGINT) fail(ExitCode::kInterrupted, "interrupted. Run again to resume");
  if (received == SIGALRM) {
    fail(ExitCode::kStopped, "stopped: limits.max_hours have passed. Run again to resume");
  }
  fail(ExitCode::kStopped, "stopped by signal {}. Run again to resume", received);
}

void install_signal_handlers(StopFlag& flag) {
  watched_flag.store(&flag);
  interrupts_seen.store(0);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) handle(signal, on_signal);
  for (const int signal : {SIGPIPE, SIGXFSZ}) handle(signal, SIG_IGN);
}

}  // namespace thoughtrank
