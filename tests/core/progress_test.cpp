#include "thoughtrank/core/progress.h"

#include <gtest/gtest.h>
#include <pty.h>

#include <array>

#include "core/terminal.h"
#include "support/fake_clock.h"
#include "support/stderr_of.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

ProgressOptions branches() {
  return {.stage = "round 1 generate",
          .unit = "branches",
          .total = 372,
          .already_done = 24,
          .rate_unit = "tok"};
}

// stderr is a pseudo-terminal of 60 columns while this lives.
class FakeTerminal {
 public:
  FakeTerminal() {
    winsize size{};
    size.ws_col = 60;
    size.ws_row = 24;
    int slave = -1;
    if (::openpty(&master_, &slave, nullptr, nullptr, &size) != 0) return;
    saved_ = ::dup(STDERR_FILENO);
    ::dup2(slave, STDERR_FILENO);
    ::close(slave);
    start_log(LogFormat::text, LogLevel::info);
  }
  ~FakeTerminal() {
    restore();
    if (master_ >= 0) ::close(master_);
  }
  FakeTerminal(const FakeTerminal&) = delete;
  FakeTerminal& operator=(const FakeTerminal&) = delete;
  [[nodiscard]] bool is_open() const { return saved_ >= 0; }
  // All that was written; stderr is a file again afterwards. The kernel hands bytes over in its own
  // time, so read until the last writer's end is closed.
  std::string finish() {
    restore();
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::read(master_, buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<size_t>(got));
    }
    return text;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    saved_ = -1;
    start_log(LogFormat::text, LogLevel::info);
  }
  int master_ = -1;
  int saved_ = -1;
};

TEST(Progress, PrintsALineEveryTenSecondsInAFile) {
  start_log(LogFormat::text, LogLevel::info);
  FakeClock clock;
  const std::string text = stderr_of([&] {
    Progress progress(branches(), clock);
    clock.now += 9.9;
    progress.advance(50, 2000);
    clock.now += 15.1;
    progress.advance(50, 8300);
    progress.advance(0, 0);
    clock.now += 1;
    EXPECT_EQ(progress.seconds(), 26);
    EXPECT_EQ(progress.work(), 10300);
  });
  EXPECT_NE(text.find(" round 1 generate  124/372 branches  33%  412 tok/s  ETA 1m02s\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(" round 1 generate  124/372 branches  33%  396 tok/s  in 26s\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

TEST(Progress, UnknownTotalsHaveNoShareAndNoEnd) {
  start_log(LogFormat::text, LogLevel::info);
  FakeClock clock;
  const std::string text = stderr_of([&] {
    Progress progress({.stage = "judge", .unit = "calls", .rate_unit = ""}, clock);
    clock.now += 7500;
    progress.advance(3, 0);
  });
  EXPECT_NE(text.find(" judge  3 calls\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" judge  3 calls  in 2h05m\n"), std::string::npos) << text;
}

TEST(Progress, CanBeMuted) {
  FakeClock clock;
  show_progress(false);
  const std::string text = stderr_of([&] {
    Progress progress(branches(), clock);
    clock.now += 100;
    progress.advance(1, 1);
  });
  show_progress(true);
  EXPECT_EQ(text, "");
}

TEST(Progress, RedrawsOnATerminalAndLogLinesStandAbove) {
  FakeTerminal terminal;
  if (!terminal.is_open()) GTEST_SKIP() << "this machine gives no pseudo-terminal";
  FakeClock clock;
  {
    Progress progress(branches(), clock);
    clock.now += 1;
    progress.advance(100, 412);
    clock.now += 0.05;
    progress.advance(1, 1);  // too soon to redraw
    log_info("hello");
    clock.now += 0.05;
    progress.advance(1, 1);
  }
  const std::string text = terminal.finish();
  const std::string first = "\r\x1b[2Kround 1 generate  124/372 branches  33%  412 tok/s  ETA 2s";
  EXPECT_TRUE(text.starts_with(first.substr(0, 5 + 59))) << text;  // cut to the width
  size_t clears = 0;
  for (size_t at = text.find("\x1b[2K"); at != std::string::npos;
       at = text.find("\x1b[2K", at + 1)) {
    ++clears;
  }
  EXPECT_EQ(clears, 3u) << text;  // the log line clears too
  EXPECT_NE(text.find(" hello\r\nround 1 generate  124/372"), std::string::npos) << text;
  EXPECT_EQ(text.find("125/372"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\x1b[2Kround 1 generate  126/372"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\n")) << text;
}

}  // namespace
}  // namespace thoughtrank
