#include "thoughtrank/core/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

#include "core/system_call.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

constexpr const char* kFile = "LOCK";

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

// What the holder wrote about itself; a holder of this very moment may not have written yet.
std::string describe_holder(int fd, const std::filesystem::path& path) {
  std::array<char, 1024> buffer{};
  const size_t length = read_some(fd, buffer.data(), buffer.size(), /*offset=*/0, path);
  try {
    const Json holder = parse_json({buffer.data(), length}, path.string());
    return fmt::format("process {} on {}, started {}",
                       dump_json(require(holder, "pid", path.string())),
                       shorten(require_string(holder, "host", path.string())),
                       shorten(require_string(holder, "started", path.string())));
  } catch (const Error&) {
    return "another process";
  }
}

void write_holder(int fd, const std::filesystem::path& path) {
  const Json holder = {
      {"pid", ::getpid()}, {"host", host_name()}, {"started", SystemClock().utc_time()}};
  if (::ftruncate(fd, 0) != 0) fail_io(path, "truncate", errno);
  write_all(fd, dump_json(holder) + "\n", path);
}

// Who only looks (lock_holder) has the lock for a moment.
bool try_lock(int fd) {
  constexpr int kTries = 5;
  constexpr useconds_t kPause_us = 20'000;
  for (int n = 0; n < kTries; ++n) {
    if (n > 0) ::usleep(kPause_us);
    if (retry_interrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) == 0) return true;
    if (errno != EWOULDBLOCK) break;
  }
  return false;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / kFile;
  FileHandle file = open_file(path, O_CREAT | O_RDWR, 0644);
  if (!try_lock(file.fd())) {
    if (errno != EWOULDBLOCK) fail_io(path, "lock (is it on a network disk without locks?)", errno);
    fail(ExitCode::kLocked,
         "{}: locked by {}. Wait for it or stop it",
         run_dir.string(),
         describe_holder(file.fd(), path));
  }
  write_holder(file.fd(), path);
  fd_ = file.release();
}

std::string lock_holder(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / kFile;
  if (!std::filesystem::exists(path)) return {};
  const FileHandle file = open_file(path, O_RDONLY);
  if (retry_interrupted([&] { return ::flock(file.fd(), LOCK_SH | LOCK_NB); }) == 0) return {};
  return errno == EWOULDBLOCK ? describe_holder(file.fd(), path) : std::string();
}

// Unlocks explicitly: a child that was forked meanwhile shares the lock until it closes its copy.
RunLock::~RunLock() {
  ::flock(fd_, LOCK_UN);
  ::close(fd_);
}

}  // namespace thoughtrank
