// Time, sleep, and "somebody asked us to stop", passed to whoever waits or loops.
#pragma once

#include <atomic>
#include <string>

namespace thoughtrank {

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual double now_s() const = 0;          // monotonic seconds
  [[nodiscard]] virtual std::string utc_time() const = 0;  // "2026-01-31T12:00:00Z"
  virtual void sleep_s(double seconds) = 0;
};

// The machine's clock.
class SystemClock : public Clock {
 public:
  [[nodiscard]] double now_s() const override;
  [[nodiscard]] std::string utc_time() const override;
  void sleep_s(double seconds) override;
};

// Set by a signal handler or by a test; asked by every loop.
class StopFlag {
 public:
  void request(int signal) { signal_.store(signal); }
  [[nodiscard]] bool is_set() const { return signal_.load() != 0; }
  [[nodiscard]] int signal() const { return signal_.load(); }
  // Throws Error(kInterrupted) after SIGINT, Error(kStopped) after any other signal.
  void throw_if_set() const;

 private:
  std::atomic<int> signal_{0};
};

// SIGINT, SIGTERM, SIGUSR1, SIGHUP set `flag` (also where they were inherited as ignored); a second
// SIGINT ends the process at once with 130. SIGPIPE and SIGXFSZ are ignored. `flag` must live as
// long as the process: signals come while it exits, too.
void install_signal_handlers(StopFlag& flag);

}  // namespace thoughtrank
