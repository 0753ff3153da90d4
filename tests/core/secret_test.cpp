#include "thoughtrank/core/secret.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <type_traits>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

// In a child: taking a secret makes the process undumpable, which would blind the leak checker of
// this one.
void in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "see the child's messages above";
}

std::string proc_file(const char* name) {
  const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  std::string bytes(1 << 20, '\0');
  const ssize_t got = ::read(fd, bytes.data(), bytes.size());
  ::close(fd);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

TEST(Secret, CannotBeCopiedOrCompared) {
  static_assert(!std::is_copy_constructible_v<Secret>);
  static_assert(!std::is_copy_assignable_v<Secret>);
  static_assert(!std::is_convertible_v<Secret, std::string>);
  static_assert(!std::equality_comparable<Secret>);
  SUCCEED();
}

TEST(Secret, MovesAndLeavesNothingBehind) {
  for (const std::string& value : {std::string("short"), std::string(100, 'k')}) {
    Secret first(value);
    Secret second(std::move(first));
    EXPECT_TRUE(first.is_empty());  // NOLINT: what a move leaves is the point
    EXPECT_EQ(second.reveal(), value);
    Secret third("other");
    third = std::move(second);
    EXPECT_TRUE(second.is_empty());  // NOLINT
    EXPECT_EQ(third.reveal(), value);
  }
}

// A short string's characters lie inside the object, where they can be looked for after its end.
TEST(Secret, OverwritesItsMemory) {
  alignas(Secret) unsigned char memory[sizeof(Secret)] = {};
  auto* secret = new (memory) Secret("canary-42");
  // Without its first byte: an ordinary move ends the string there and leaves the rest.
  const auto holds_canary = [&] {
    return std::string(reinterpret_cast<char*>(memory), sizeof memory).find("anary-42") !=
           std::string::npos;
  };
  EXPECT_TRUE(holds_canary());
  const Secret moved(std::move(*secret));
  EXPECT_FALSE(holds_canary());
  secret->~Secret();
}

TEST(Secret, RedactsEveryForm) {
  const Secret secret("sk\"/+ 1");
  EXPECT_EQ(secret.redact("a sk\"/+ 1 b sk\"/+ 1"), "a [secret] b [secret]");
  EXPECT_EQ(secret.redact(R"({"key":"sk\"/+ 1"})"), R"({"key":"[secret]"})");
  EXPECT_EQ(secret.redact("?key=sk%22%2F%2B%201&x"), "?key=[secret]&x");
  EXPECT_EQ(secret.redact("?key=sk%22%2f%2b%201&x"), "?key=[secret]&x");
  EXPECT_EQ(secret.redact("basic c2siLysgMQ=="), "basic [secret]");
  EXPECT_EQ(Secret().redact("unchanged"), "unchanged");
}

TEST(Secret, LeavesTheEnvironmentForGood) {
  ::setenv("CORE_TEST_KEY", "canary-key-1", 1);
  in_child([] {
    const char* in_place = std::getenv("CORE_TEST_KEY");
    const Secret secret = take_secret_from_environment("CORE_TEST_KEY");
    EXPECT_EQ(secret.reveal(), "canary-key-1");
    EXPECT_EQ(std::getenv("CORE_TEST_KEY"), nullptr);
    EXPECT_EQ(std::string(in_place, 12), std::string(12, '\0'));
    EXPECT_EQ(::prctl(PR_GET_DUMPABLE), 0);
    EXPECT_TRUE(take_secret_from_environment("CORE_TEST_KEY").is_empty());
  });
  ::unsetenv("CORE_TEST_KEY");
}

// The environment that a program was started with is what /proc shows.
TEST(Secret, IsGoneFromProcEnviron) {
  in_child([] {
    ASSERT_NE(std::getenv("PATH"), nullptr);
    const std::string path = "PATH=" + std::string(std::getenv("PATH"));
    EXPECT_NE(proc_file("/proc/self/environ").find(path), std::string::npos);
    (void)take_secret_from_environment("PATH");
    EXPECT_EQ(proc_file("/proc/self/environ").find(path), std::string::npos);
  });
}

TEST(Secret, RefusesKeysThatWouldBreakAHeader) {
  ::setenv("CORE_TEST_KEY", "key\r\nHost: evil", 1);
  in_child([] {
    expect_error([] { (void)take_secret_from_environment("CORE_TEST_KEY"); },
                 ExitCode::kConfig,
                 "environment variable CORE_TEST_KEY: holds a control character");
  });
  ::unsetenv("CORE_TEST_KEY");
}

TEST(Secret, ReadsAPrivateFileOnly) {
  const TemporaryFolder folder;
  const std::string path = (folder / "key").string();
  write_plainly(path, "sk-1\r\nsecond line\n");
  ::chmod(path.c_str(), 0640);
  expect_error([&] { (void)read_secret_file(path); }, ExitCode::kConfig, "chmod 600");
  ::chmod(path.c_str(), 0600);
  in_child([&] { EXPECT_EQ(read_secret_file(path).reveal(), "sk-1"); });
  for (const char* bad : {"", "\nsk-1\n", "sk\t1\n"}) {
    write_plainly(path, bad);
    in_child(
        [&] { expect_error([&] { (void)read_secret_file(path); }, ExitCode::kConfig, "key: "); });
  }
  expect_error([&] { (void)read_secret_file(path + "x"); }, ExitCode::kMissingInput, "keyx");
}

}  // namespace
}  // namespace thoughtrank
