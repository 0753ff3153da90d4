#include "llm/pacing.h"

namespace thoughtrank {
namespace {

constexpr double kUsualWindow_s = 60;  // where a server names a limit but no reset

}  // namespace

double RetryBudget::reserve(double now_s) {
  if (saved_tenths_ >= 10) {
    saved_tenths_ -= 10;
    return now_s;
  }
  next_s_ = std::max(now_s, next_s_) + kSpacing_s;
  return next_s_;
}

void CircuitBreaker::fail(double now_s) {
  if (++failures_ != kMostFailures) return;
  opened_s_ = now_s;
  next_probe_s_ = now_s + kProbeEvery_s;
}

void ConcurrencyLimit::overload(double started_s, double now_s) {
  if (started_s <= last_cut_s_) return;
  now_ = std::max(1.0, now_ / 2);
  last_cut_s_ = now_s;
}

void TokenBucket::sync(const RateWindow& window, double now_s) {
  if (window.limit <= 0) return;
  const double own = is_known_ ? level(now_s) : window.limit;
  const double used = window.limit - window.remaining;
  per_s_ = window.reset_s > 0 && used > 0 ? used / window.reset_s : window.limit / kUsualWindow_s;
  capacity_ = window.limit;
  level_ = std::min(own, window.remaining);
  at_s_ = now_s;
  is_known_ = true;
}

void TokenBucket::take(double amount, double now_s) {
  if (!is_known_) return;
  level_ = level(now_s) - amount;
  at_s_ = now_s;
}

double TokenBucket::ready_s(double amount, double now_s) const {
  if (!is_known_) return now_s;
  const double missing = std::min(amount, capacity_) - level(now_s);
  return missing <= 0 ? now_s : now_s + missing / per_s_;
}

double TokenBucket::level(double now_s) const {
  return std::min(capacity_, level_ + (now_s - at_s_) * per_s_);
}

}  // namespace thoughtrank
