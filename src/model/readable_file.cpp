#include "model/readable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/missing.h"

namespace thoughtrank {

namespace {

constexpr uint64_t kMaxReadBytes = 1ull << 30;  // Linux reads at most 2 GiB at once

}  // namespace

ReadableFile::ReadableFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) {
    const int reason = errno;
    if (reason == ENOENT || reason == ENOTDIR) {
      fail(ExitCode::kMissingInput, "{}", missing_file_text(path_));
    }
    fail(ExitCode::kIo, "{}: cannot open for reading: {}", path_.string(), std::strerror(reason));
  }
  struct stat status {};
  const bool is_regular = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
  if (!is_regular) {
    ::close(fd_);
    fail(ExitCode::kBadData, "{}: expected a regular file", path_.string());
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

ReadableFile::~ReadableFile() { ::close(fd_); }

void ReadableFile::read_at(uint64_t offset, void* target, uint64_t bytes) const {
  char* at = static_cast<char*>(target);
  while (bytes > 0) {
    const ssize_t got =
        ::pread(fd_, at, std::min(bytes, kMaxReadBytes), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      fail(ExitCode::kIo,
           "{}: reading at byte {} failed: {}",
           path_.string(),
           offset,
           std::strerror(errno));
    }
    if (got == 0) {
      fail(ExitCode::kBadData,
           "{}: ends at byte {}, {} more were expected. Was the file cut short?",
           path_.string(),
           offset,
           bytes);
    }
    at += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
}

}  // namespace thoughtrank
