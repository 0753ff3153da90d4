#include "thoughtrank/core/lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "core/name_lock.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {
namespace {

// A child that holds the lock until it is told to end or killed.
class Holder {
 public:
  explicit Holder(const fs::path& run_dir) {
    int ready[2];
    if (::pipe(ready) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      const RunLock lock(run_dir);
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte = 0;
    is_holding_ = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
  }
  ~Holder() { kill_now(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  void kill_now() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_holding() const { return is_holding_; }

 private:
  pid_t pid_ = -1;
  bool is_holding_ = false;
};

TEST(Lock, NamesTheHolder) {
  const TemporaryFolder folder;
  const Holder holder(folder.path());
  ASSERT_TRUE(holder.is_holding());
  const Error error = error_of([&] { RunLock lock(folder.path()); });
  EXPECT_EQ(error.code(), ExitCode::kLocked);
  const std::string message = error.what();
  EXPECT_NE(message.find(fmt::format("locked by process {} on ", holder.pid())), std::string::npos)
      << message;
  EXPECT_NE(message.find(", started 2"), std::string::npos) << message;
}

TEST(Lock, IsFreeOnceTheHolderIsKilled) {
  const TemporaryFolder folder;
  Holder holder(folder.path());
  ASSERT_TRUE(holder.is_holding());
  expect_error([&] { RunLock lock(folder.path()); }, ExitCode::kLocked, "locked by");
  holder.kill_now();
  EXPECT_NO_THROW(RunLock(folder.path()));
}

TEST(Lock, IsFreeAfterItsScopeEvenWhereAChildLivesOn) {
  const TemporaryFolder folder;
  auto lock = std::make_unique<RunLock>(folder.path());
  expect_error([&] { RunLock second(folder.path()); }, ExitCode::kLocked, "locked by");
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  lock.reset();
  EXPECT_NO_THROW(RunLock(folder.path()));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST(Lock, SurvivesOtherReadersOfTheFile) {
  const TemporaryFolder folder;
  const Holder holder(folder.path());
  EXPECT_FALSE(read_file(folder / "LOCK").empty());  // opens and closes it
  expect_error([&] { RunLock lock(folder.path()); }, ExitCode::kLocked, "locked by process");
}

TEST(Lock, OverwritesWhatADeadHolderLeft) {
  const TemporaryFolder folder;
  write_plainly(folder / "LOCK", std::string(5000, 'x'));
  const RunLock lock(folder.path());
  EXPECT_NE(read_file(folder / "LOCK").find(fmt::format("\"pid\":{}", ::getpid())),
            std::string::npos);
  EXPECT_LT(read_file(folder / "LOCK").size(), 500u);
}

TEST(Lock, WhoOnlyLooksSeesTheHolderAndIsNotInTheWay) {
  const TemporaryFolder folder;
  EXPECT_EQ(lock_holder(folder.path()), "");
  {
    const Holder holder(folder.path());
    EXPECT_TRUE(lock_holder(folder.path()).starts_with("process "));
  }
  EXPECT_EQ(lock_holder(folder.path()), "");
  std::jthread looking([&](const std::stop_token& ended) {
    while (!ended.stop_requested()) {
      (void)lock_holder(folder.path());
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  });
  for (int n = 0; n < 200; ++n) {
    EXPECT_NO_THROW(RunLock(folder.path()));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

TEST(Lock, AMissingFolderIsAnIoError) {
  const TemporaryFolder folder;
  expect_error([&] { RunLock lock(folder / "none"); }, ExitCode::kIo, "LOCK: cannot create");
}

// The lock for file systems without flock: a file that only one process can create.
class NameLock : public testing::Test {
 protected:
  [[nodiscard]] fs::path file() const { return folder_ / "LOCK.held"; }
  void expect_locked(const std::string& part) const {
    expect_error([&] { take_name_lock(file()); }, ExitCode::kLocked, part);
  }
  void write_holder(const char* key, const Json& value) const {
    Json holder = describe_this_process();
    holder[key] = value;
    write_plainly(file(), dump_json(holder));
  }

  TemporaryFolder folder_;
};

TEST_F(NameLock, IsHeldUntilItIsFreed) {
  EXPECT_EQ(name_lock_holder(file()), "");
  take_name_lock(file());
  EXPECT_TRUE(name_lock_holder(file()).starts_with(fmt::format("process {} on ", ::getpid())));
  expect_locked(fmt::format("locked by process {} on ", ::getpid()));
  free_name_lock(file());
  EXPECT_EQ(name_lock_holder(file()), "");
  EXPECT_NO_THROW(take_name_lock(file()));
}

TEST_F(NameLock, OfAProcessThatHasEndedIsTakenOver) {
  for (const auto& [key, value] : std::vector<std::pair<const char*, Json>>{
           {"ticks", 1}, {"pid", 1 << 22}, {"boot", "an earlier start of this machine"}}) {
    write_holder(key, value);
    EXPECT_EQ(name_lock_holder(file()), "") << key;
    EXPECT_NO_THROW(take_name_lock(file())) << key;
    expect_locked(fmt::format("process {}", ::getpid()));
    free_name_lock(file());
  }
}

TEST_F(NameLock, OfAContainerWithTheSameHostNameIsNobodysToTake) {
  write_holder("machine", "another pid:[1]");
  expect_locked("if it is gone, remove");
}

TEST(Lock, WhoHasFlockSeesWhoHasNone) {
  const TemporaryFolder folder;
  take_name_lock(folder / "LOCK.held");
  expect_error([&] { RunLock lock(folder.path()); }, ExitCode::kLocked, "LOCK.held");
  free_name_lock(folder / "LOCK.held");
  EXPECT_NO_THROW(RunLock(folder.path()));
}

TEST_F(NameLock, OfAnotherMachineIsNotAndTheMessageSaysWhatToRemove) {
  write_holder("host", "another-machine");
  expect_locked("on another-machine, started 2");
  expect_locked("if it is gone, remove " + file().string());
}

TEST_F(NameLock, ThatCannotBeReadIsSomebodys) {
  write_plainly(file(), "");
  expect_locked("another process");
  write_plainly(file(), std::string(5000, 'x'));
  expect_locked("another process");
  EXPECT_EQ(name_lock_holder(file()), "another process");
}

TEST_F(NameLock, GoesToOneOfMany) {
  write_holder("ticks", 1);  // which all of them may take over
  std::atomic<int> taken = 0;
  {
    std::vector<std::jthread> threads;
    for (int n = 0; n < 8; ++n) {
      threads.emplace_back([&] {
        try {
          take_name_lock(file());
          ++taken;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ExitCode::kLocked) << error.what();
        }
      });
    }
  }
  EXPECT_EQ(taken, 1);
}

}  // namespace
}  // namespace thoughtrank
