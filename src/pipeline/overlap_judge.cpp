#include "pipeline/overlap_judge.h"

#include <chrono>
#include <csignal>
#include <exception>
#include <string>
#include <utility>

#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/watchdog.h"

namespace thoughtrank {

namespace {

// A waiting thread wakes so often to look at the stop flag and to show that it is alive.
constexpr auto kLookAround = std::chrono::milliseconds(500);
// A judge that is down is asked again after so long.
constexpr double kTryAgain_s = 30;

// Stands still until it is told to go on, so that a Progress prints nothing but its last line: the
// line on the screen belongs to generation.
class HeldClock : public Clock {
 public:
  explicit HeldClock(Clock& clock) : clock_(clock), start_s_(clock.now_s()) {}
  void go_on() { is_held_ = false; }
  [[nodiscard]] double now_s() const override { return is_held_ ? start_s_ : clock_.now_s(); }
  [[nodiscard]] std::string utc_time() const override { return clock_.utc_time(); }
  void sleep_s(double seconds) override { clock_.sleep_s(seconds); }

 private:
  Clock& clock_;
  double start_s_;
  bool is_held_ = true;
};

}  // namespace

OverlapJudge::OverlapJudge(Session& session, int64_t round)
    : session_(session), round_(round), clock_(session.clock) {
  if (!session.options.overlaps_judging || !makes_calls(session.config.judge.first.kind)) return;
  if (!follows_judge(session.config.select.control)) return;
  judge_ = open_judge(session, round, stop_);
  thread_ = std::thread([this] { work(); });
}

OverlapJudge::~OverlapJudge() {
  stop_.request(SIGTERM);
  complete();
  if (thread_.joinable()) thread_.join();
}

void OverlapJudge::add(JudgeTask task) {
  if (!thread_.joinable()) return;  // judge_ is the other thread's
  const std::lock_guard lock(mutex_);
  if (failure_) throw *failure_;
  tasks_.push_back(std::move(task));
  changed_.notify_all();
}

void OverlapJudge::complete() {
  const std::lock_guard lock(mutex_);
  is_complete_ = true;
  changed_.notify_all();
}

// The waiting thread is alive as long as the other one is, which has a watchdog of its own.
void OverlapJudge::finish() {
  complete();
  std::unique_lock lock(mutex_);
  while (thread_.joinable() && !is_over_) {
    session_.stop.throw_if_set();
    changed_.wait_for(lock, kLookAround);
  }
  if (failure_) throw *failure_;
}

// Everything that was added since the last time; waits for it, unless there is work already.
std::vector<JudgeTask> OverlapJudge::next_tasks(bool may_wait) {
  std::unique_lock lock(mutex_);
  while (may_wait && !is_complete_ && tasks_.empty()) {
    heartbeat();
    changed_.wait_for(lock, kLookAround);
  }
  return std::exchange(tasks_, {});
}

// Passes the time while the model generates. False when that is over.
bool OverlapJudge::wait_to_try_again() {
  std::unique_lock lock(mutex_);
  const double until_s = clock_.now_s() + kTryAgain_s;
  while (!is_complete_ && clock_.now_s() < until_s) {
    heartbeat();
    changed_.wait_for(lock, kLookAround);
  }
  return !is_complete_;
}

void OverlapJudge::judge_all() {
  HeldClock clock(clock_);
  Progress progress({.stage = "judged while generating", .unit = "prompts", .rate_unit = "answers"},
                    clock);
  std::vector<JudgeTask> tasks;
  for (;;) {
    for (JudgeTask& task : next_tasks(/*may_wait=*/tasks.empty())) tasks.push_back(std::move(task));
    if (tasks.empty()) break;
    try {
      judge_->overlap(tasks, progress);
      judged_ += std::ssize(tasks);
      tasks.clear();
    } catch (const UntrustedServer&) {  // a kJudge that waiting does not mend
      throw;
    } catch (const Error& error) {
      if (error.code() != ExitCode::kJudge || stop_.is_set()) throw;
      log_warning("judging waits, generation goes on: {}", error.what());
      if (!wait_to_try_again()) return;
      judge_.reset();  // the ledger has one reader at a time
      judge_ = open_judge(session_, round_, stop_);
    }
  }
  clock.go_on();
}

void OverlapJudge::work() {
  const Watchdog watchdog(session_.config.limits.hang_limit_s(), "judging");
  std::optional<Error> failure;
  try {
    judge_all();
  } catch (const Error& error) {
    if (!stop_.is_set()) failure = error;
  } catch (const std::exception& error) {
    failure = Error(ExitCode::kInternal, std::string("overlapped judging: ") + error.what());
  }
  const std::lock_guard lock(mutex_);
  failure_ = failure;
  is_over_ = true;
  changed_.notify_all();
}

}  // namespace thoughtrank
