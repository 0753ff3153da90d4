// Ends a process that hangs. A device or a file system that never answers blocks the thread that
// asked for good: no handler, time-out or stop flag of that thread can help. A process that ended
// can be started again, and a finished branch, call or optimizer state is not lost.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace thoughtrank {

// The counters by which a watchdog sees that its thread goes on.
struct WatchedThread {
  std::atomic<uint64_t> signs{0};
  std::atomic<int> pauses{0};
};

// Tells the calling thread's watchdog that the thread goes on. Asking a StopFlag, sleeping by a
// Clock, and the end of each system call on a file do so by themselves; other work that takes more
// than some seconds calls it now and then.
void heartbeat();

// Suspends the watchdog of the calling thread, which waits for a person, such as one who holds the
// terminal that it writes to.
class Unwatched {
 public:
  Unwatched();
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

// Watches the thread that made it: after `limit_s` seconds without a heartbeat the process says so
// and ends with ExitCode::kDevice. Time during which the process itself stood still (SIGSTOP, a
// suspended machine) does not count. A thread has at most one watchdog. A limit of 0 watches
// nothing.
class Watchdog {
 public:
  // `work`: what the thread does, for the message.
  Watchdog(double limit_s, std::string work);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  double limit_s_;
  std::string work_;
  WatchedThread watched_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
  void watch(const std::stop_token& ended);
};

}  // namespace thoughtrank
