#include "thoughtrank/core/watchdog.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

constexpr int kDevice = static_cast<int>(ExitCode::kDevice);

void sleep_s(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// What a process's `work` ends with; 0 when it comes back.
template <class Work>
pid_t start(const Work& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  work();
  ::_exit(0);
}

int exit_code(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Watchdog, AThreadThatHangsEndsTheProcess) {
  const double started_s = SystemClock().now_s();
  EXPECT_EQ(exit_code(start([] {
              const Watchdog watchdog(0.3, "the test");
              sleep_s(60);
            })),
            kDevice);
  EXPECT_LT(SystemClock().now_s() - started_s, 5.3);
}

TEST(Watchdog, OneThatIsSlowLives) {
  EXPECT_EQ(exit_code(start([] {
              const Watchdog watchdog(1, "the test");
              for (int n = 0; n < 20; ++n) {
                sleep_s(0.1);
                heartbeat();
              }
            })),
            0);
}

TEST(Watchdog, AskingToStopAndSleepingAreSignsOfLife) {
  EXPECT_EQ(exit_code(start([] {
              const Watchdog watchdog(0.8, "the test");
              SystemClock().sleep_s(1.6);
              const StopFlag stop;
              for (int n = 0; n < 16; ++n) {
                sleep_s(0.1);
                stop.throw_if_set();
              }
            })),
            0);
}

TEST(Watchdog, WhatAnotherThreadDoesIsNoSignOfLife) {
  EXPECT_EQ(exit_code(start([] {
              std::jthread busy([](const std::stop_token& ended) {
                const Watchdog watchdog(0.5, "the other");
                while (!ended.stop_requested()) heartbeat();
              });
              const Watchdog watchdog(0.5, "the test");
              sleep_s(60);
            })),
            kDevice);
}

TEST(Watchdog, TimeInWhichTheProcessStoodStillDoesNotCount) {
  const pid_t child = start([] {
    const Watchdog watchdog(6, "the test");
    sleep_s(2);  // is over when the process goes on
    sleep_s(1.2);
    heartbeat();
  });
  sleep_s(0.8);
  ::kill(child, SIGSTOP);
  sleep_s(8);
  ::kill(child, SIGCONT);
  EXPECT_EQ(exit_code(child), 0);
}

TEST(Watchdog, NobodyIsWatchedWithoutALimitOrAfterwards) {
  EXPECT_EQ(exit_code(start([] {
              const Watchdog none(0, "the test");
              { const Watchdog watchdog(0.2, "the test"); }
              sleep_s(0.6);
            })),
            0);
}

TEST(Watchdog, WaitingForAPersonIsNoSilenceUntilItEnds) {
  const auto wait_for_a_person = [](double then_s) {
    const Watchdog watchdog(0.5, "the test");
    {
      const Unwatched unwatched;
      sleep_s(1.5);
    }
    sleep_s(then_s);
  };
  EXPECT_EQ(exit_code(start([&] { wait_for_a_person(0); })), 0);
  EXPECT_EQ(exit_code(start([&] { wait_for_a_person(60); })), kDevice);
}

TEST(Watchdog, AThreadHasOne) {
  const Watchdog watchdog(10, "the test");
  EXPECT_THROW(Watchdog(10, "another"), Error);
}

}  // namespace
}  // namespace thoughtrank
