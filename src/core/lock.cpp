#include "thoughtrank/core/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

#include "core/name_lock.h"
#include "core/system_call.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {
namespace {

constexpr const char* kFile = "LOCK";
constexpr const char* kNameFile = "LOCK.held";  // where there is no flock

// What the holder wrote about itself; a holder of this very moment may not have written yet.
std::string describe_holder(int fd, const std::filesystem::path& path) {
  std::array<char, 1024> buffer{};
  const size_t length = read_some(fd, buffer.data(), buffer.size(), /*offset=*/0, path);
  try {
    return holder_text(parse_json({buffer.data(), length}, path.string()), path);
  } catch (const Error&) {
    return "another process";
  }
}

void write_holder(int fd, const std::filesystem::path& path) {
  if (::ftruncate(fd, 0) != 0) fail_io(path, "truncate", errno);
  write_all(fd, dump_json(describe_this_process()) + "\n", path);
}

enum class FlockResult { taken, held, unknown };

// What a file system says that has no flock: NFS without a lock service, Lustre without -o flock.
bool is_unknown(int error) {
  return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

// Who only looks (lock_holder) has the lock for a moment.
FlockResult take_flock(int fd, const std::filesystem::path& path) {
  constexpr int kTries = 5;
  constexpr useconds_t kPause_us = 20'000;
  for (int n = 0; n < kTries; ++n) {
    if (n > 0) ::usleep(kPause_us);
    if (retry_interrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) == 0) {
      return FlockResult::taken;
    }
    if (is_unknown(errno)) return FlockResult::unknown;
    if (errno != EWOULDBLOCK) fail_io(path, "lock", errno);
  }
  return FlockResult::held;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / kFile;
  FileHandle file = open_file(path, O_CREAT | O_RDWR, 0644);
  const FlockResult result = take_flock(file.fd(), path);
  if (result == FlockResult::held) {
    fail(ExitCode::kLocked,
         "{}: locked by {}. Wait for it or stop it",
         run_dir.string(),
         describe_holder(file.fd(), path));
  }
  if (result == FlockResult::unknown) {
    take_name_lock(run_dir / kNameFile);
    name_ = run_dir / kNameFile;
    return;
  }
  // A machine that shares the disk may have no flock on it.
  require_no_name_lock(run_dir / kNameFile);
  write_holder(file.fd(), path);
  fd_ = file.release();
}

std::string lock_holder(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / kFile;
  if (!std::filesystem::exists(path)) return {};
  const FileHandle file = open_file(path, O_RDONLY);
  if (retry_interrupted([&] { return ::flock(file.fd(), LOCK_SH | LOCK_NB); }) == 0) return {};
  if (is_unknown(errno)) return name_lock_holder(run_dir / kNameFile);
  return errno == EWOULDBLOCK ? describe_holder(file.fd(), path) : std::string();
}

// Unlocks explicitly: a child that was forked meanwhile shares the lock until it closes its copy.
RunLock::~RunLock() {
  if (!name_.empty()) free_name_lock(name_);
  if (fd_ < 0) return;
  ::flock(fd_, LOCK_UN);
  ::close(fd_);
}

}  // namespace thoughtrank
