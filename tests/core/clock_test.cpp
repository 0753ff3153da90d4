#include "thoughtrank/core/clock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "support/expect_error.h"

namespace thoughtrank {
namespace {

// Runs `body` in a child, because signal handlers belong to the process; gives its exit status.
int exit_status_of_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Clock, UtcTimeHasItsForm) {
  const std::string time = SystemClock().utc_time();
  ASSERT_EQ(time.size(), 20u) << time;
  EXPECT_EQ(time[10], 'T');
  EXPECT_EQ(time[19], 'Z');
}

TEST(Clock, NoTimeGoesBackwards) {
  const SystemClock clock;
  const double before = clock.now_s();
  EXPECT_GE(clock.now_s(), before);
}

TEST(Clock, TheStopFlagNamesTheExit) {
  StopFlag flag;
  EXPECT_FALSE(flag.is_set());
  EXPECT_NO_THROW(flag.throw_if_set());
  flag.request(SIGINT);
  expect_error([&] { flag.throw_if_set(); }, ExitCode::kInterrupted, "Run again to resume");
  flag.request(SIGTERM);
  EXPECT_EQ(flag.signal(), SIGTERM);
  expect_error([&] { flag.throw_if_set(); }, ExitCode::kStopped, "signal 15");
}

TEST(Clock, SignalsSetTheFlagEvenWhereTheyWereIgnored) {
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    const int status = exit_status_of_child([number] {
      ::signal(number, SIG_IGN);
      static StopFlag flag;
      install_signal_handlers(flag);
      ::raise(number);
      return flag.signal();
    });
    EXPECT_EQ(status, number);
  }
}

TEST(Clock, ASecondInterruptEndsTheProcess) {
  const int status = exit_status_of_child([] {
    static StopFlag flag;
    install_signal_handlers(flag);
    ::raise(SIGINT);
    ::raise(SIGTERM);
    ::raise(SIGINT);
    return 1;
  });
  EXPECT_EQ(status, 130);
}

TEST(Clock, BrokenPipesAndFileLimitsDoNotKill) {
  const int status = exit_status_of_child([] {
    static StopFlag flag;
    install_signal_handlers(flag);
    ::raise(SIGPIPE);
    ::raise(SIGXFSZ);
    return flag.is_set() ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
}

// The sleeping thread is not the one that gets the signal. SIGALRM ends the child if the sleep does
// not.
TEST(Clock, ASignalEndsASleepInAnyThread) {
  const int status = exit_status_of_child([] {
    static StopFlag flag;
    install_signal_handlers(flag);
    ::alarm(20);
    std::atomic<bool> is_sleeping{false};
    std::thread sleeper([&] {
      is_sleeping = true;
      SystemClock().sleep_s(3600);
    });
    while (!is_sleeping) std::this_thread::yield();
    // Signals until one arrives after the sleep began.
    std::atomic<bool> is_awake{false};
    std::thread watcher([&] {
      sleeper.join();
      is_awake = true;
    });
    while (!is_awake) {
      ::kill(::getpid(), SIGTERM);
      SystemClock().sleep_s(0.001);
    }
    watcher.join();
    return flag.signal();
  });
  EXPECT_EQ(status, SIGTERM);
}

}  // namespace
}  // namespace thoughtrank
