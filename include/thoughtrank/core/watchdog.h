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

// What a watched thread shows.
struct WatchedThread {
  std::atomic<uint64_t> signs{0};
  std::atomic<int> pauses{0};
};

// A sign of life of the calling thread. Asking a StopFlag, sleeping by a Clock, and the end of each
// system call on a file are signs of life, too; other work of more than some seconds gives its own.
void heartbeat();

// While it lives, the silence of the calling thread is none: it waits for a person, such as one who
// holds the terminal that it writes to.
class Unwatched {
 public:
  Unwatched();
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

// While it lives, the thread that made it is watched: after `limit_s` seconds without a sign of
// life the process says so and ends with ExitCode::kDevice. Time during which the process itself
// stood still (SIGSTOP, a suspended machine) does not count. A thread has at most one. 0: none.
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
