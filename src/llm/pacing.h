// How fast and how stubbornly a judge is asked. Small rules that are told what happened and what
// time it is; they hold no clock, no thread and no request.
#pragma once

#include <algorithm>
#include <cstdint>

#include "thoughtrank/llm/rate_headers.h"

namespace thoughtrank {

// Retries over the whole run: one for every ten calls and ten to begin with. Beyond that they are
// slowed down to one every two seconds, not refused: a call whose success is possible succeeds, and
// a server in trouble is never asked much more than usual.
class RetryBudget {
 public:
  void count_call() { saved_tenths_ = std::min(kMostSaved, saved_tenths_ + 1); }
  // Takes one retry; the earliest time at which it may leave.
  [[nodiscard]] double reserve(double now_s);

 private:
  static constexpr int kMostSaved = 1000;
  static constexpr double kSpacing_s = 2;
  int saved_tenths_ = 100;
  double next_s_ = 0;
};

// Opens after 20 failures in a row. While it is open one call at a time leaves as a probe, at most
// one in 30 seconds; the first success closes it.
class CircuitBreaker {
 public:
  static constexpr int kMostFailures = 20;
  static constexpr double kProbeEvery_s = 30;

  void succeed() { failures_ = 0; }
  void fail(double now_s);
  [[nodiscard]] bool is_open() const { return failures_ >= kMostFailures; }
  [[nodiscard]] double next_probe_s() const { return next_probe_s_; }
  void start_probe(double now_s) { next_probe_s_ = now_s + kProbeEvery_s; }
  [[nodiscard]] double open_for_s(double now_s) const { return is_open() ? now_s - opened_s_ : 0; }

 private:
  int failures_ = 0;
  double opened_s_ = 0;
  double next_probe_s_ = 0;
};

// Calls in flight: one more for each round of successes up to the configured bound, half as many
// when the server is overloaded (Chiu and Jain 1989). Calls that left before the last cut say
// nothing about the new limit.
class ConcurrencyLimit {
 public:
  explicit ConcurrencyLimit(int64_t most)
      : most_(static_cast<double>(most)), now_(static_cast<double>(most)) {}
  [[nodiscard]] int64_t calls() const { return static_cast<int64_t>(now_); }
  void succeed() { now_ = std::min(most_, now_ + 1 / now_); }
  void overload(double started_s, double now_s);

 private:
  double most_;
  double now_;
  double last_cut_s_ = -1;
};

// What the server's rate headers leave: a bucket that refills at the rate they tell. Without
// headers it holds everything.
class TokenBucket {
 public:
  void sync(const RateWindow& window, double now_s);
  void take(double amount, double now_s);
  // When `amount` will be there.
  [[nodiscard]] double ready_s(double amount, double now_s) const;

 private:
  [[nodiscard]] double level(double now_s) const;
  bool is_known_ = false;
  double capacity_ = 0;
  double per_s_ = 0;
  double level_ = 0;
  double at_s_ = 0;
};

}  // namespace thoughtrank
