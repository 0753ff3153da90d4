// The thin layer between core and the kernel: errors that name path, operation and reason; calls
// that go on after a signal; file descriptors with an owner.
#pragma once

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "thoughtrank/core/watchdog.h"

namespace thoughtrank {

// Throws Error(kIo): "{path}: cannot {operation}: {reason}".
[[noreturn]] void fail_io(const std::filesystem::path& path, std::string_view operation, int error);

// Repeats a call that a signal interrupted; gives up (EINTR) where that never ends.
template <class Call>
auto retry_interrupted(Call call) {
  constexpr int kMostTries = 1000;
  auto result = call();
  for (int tries = 1; result < 0 && errno == EINTR && tries < kMostTries; ++tries) result = call();
  heartbeat();
  return result;
}

// Owns a file descriptor.
class FileHandle {
 public:
  explicit FileHandle(int fd = -1) : fd_(fd) {}
  ~FileHandle();
  FileHandle(FileHandle&& other) noexcept : fd_(other.release()) {}
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  FileHandle& operator=(FileHandle&&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  int release();

 private:
  int fd_;
};

// open() with O_CLOEXEC. Error(kMissingInput) when a file that should be there is not, else
// Error(kIo).
[[nodiscard]] FileHandle open_file(const std::filesystem::path& path, int flags, int mode = 0);
void write_all(int fd, std::string_view bytes, const std::filesystem::path& path);
// Up to `capacity` bytes from `offset`; 0 at the end.
[[nodiscard]] size_t read_some(
    int fd, char* buffer, size_t capacity, uint64_t offset, const std::filesystem::path& path);

}  // namespace thoughtrank
