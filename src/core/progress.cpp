#include "thoughtrank/core/progress.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/terminal.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

constexpr double kRedrawEvery_s = 0.2;
constexpr double kPrintEvery_s = 10.0;

std::atomic<bool> is_shown{true};

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = int64_t{std::llround(std::clamp(seconds, 0.0, 3.6e9))};
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

Progress::Progress(ProgressOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      started_s_(clock.now_s()),
      printed_s_(started_s_),
      done_(options_.already_done),
      is_terminal_(status_line_is_allowed()) {}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {  // a line that cannot be formatted must not end the work
    is_finished_ = true;
  }
}

void Progress::advance(int64_t done, int64_t work) {
  done_ += done;
  work_ += work;
  const double now_s = clock_.now_s();
  if (now_s - printed_s_ < (is_terminal_ ? kRedrawEvery_s : kPrintEvery_s)) return;
  printed_s_ = now_s;
  if (!is_shown) return;
  if (is_terminal_) {
    draw_status_line(line());
  } else {
    log_info("{}", line());
  }
}

void Progress::finish() {
  if (is_finished_) return;
  is_finished_ = true;
  if (!is_shown) return;
  if (is_terminal_) {
    draw_status_line(line());
    end_status_line();
  } else {
    log_info("{}", line());
  }
}

double Progress::seconds() const { return clock_.now_s() - started_s_; }

// round 1 generate  124/372 branches  33%  412 tok/s  ETA 1m20s
std::string Progress::line() const {
  const double elapsed_s = seconds();
  const auto fresh = static_cast<double>(done_ - options_.already_done);
  std::string text = fmt::format("{}  {}", options_.stage, done_);
  if (options_.total > 0) text += fmt::format("/{}", options_.total);
  text += " " + options_.unit;
  if (options_.total > 0) text += fmt::format("  {}%", 100 * done_ / options_.total);
  if (!options_.rate_unit.empty() && elapsed_s > 0) {
    const double rate = static_cast<double>(work_) / elapsed_s;
    text += fmt::format("  {:.{}f} {}/s", rate, rate < 10 ? 1 : 0, options_.rate_unit);
  }
  if (is_finished_) return text + "  in " + format_duration(elapsed_s);
  if (options_.total > done_ && fresh > 0) {
    text +=
        "  ETA " + format_duration(static_cast<double>(options_.total - done_) * elapsed_s / fresh);
  }
  return text;
}

void show_progress(bool shown) { is_shown = shown; }

}  // namespace thoughtrank
