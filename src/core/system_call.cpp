#include "core/system_call.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/missing.h"

namespace thoughtrank {

void fail_io(const std::filesystem::path& path, std::string_view operation, int error) {
  fail(ExitCode::kIo,
       "{}: cannot {}: {}",
       path.string(),
       operation,
       std::generic_category().message(error));
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

int FileHandle::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

FileHandle open_file(const std::filesystem::path& path, int flags, int mode) {
  const int fd = retry_interrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd >= 0) return FileHandle(fd);
  const int error = errno;
  if ((error == ENOENT || error == ENOTDIR) && (flags & O_CREAT) == 0) {
    fail(ExitCode::kMissingInput, "{}", missing_file_text(path));
  }
  fail_io(path, (flags & O_CREAT) != 0 ? "create" : "open", error);
}

void write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written =
        retry_interrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (written < 0) fail_io(path, fmt::format("write {} bytes", bytes.size()), errno);
    if (written == 0) fail_io(path, fmt::format("write {} bytes", bytes.size()), ENOSPC);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

size_t read_some(
    int fd, char* buffer, size_t capacity, uint64_t offset, const std::filesystem::path& path) {
  const ssize_t got =
      retry_interrupted([&] { return ::pread(fd, buffer, capacity, static_cast<off_t>(offset)); });
  if (got < 0) fail_io(path, "read", errno);
  return static_cast<size_t>(got);
}

}  // namespace thoughtrank
