#include "thoughtrank/core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "core/nonce.h"
#include "core/system_call.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
constexpr uint64_t kWindowBytes = 32 << 20;

[[noreturn]] void fail_length(const fs::path& path, uint64_t max_bytes) {
  fail(ExitCode::kBadData, "{}: is longer than the {} bytes allowed", path.string(), max_bytes);
}

}  // namespace

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  const FileHandle file = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(file.fd(), &status) != 0) fail_io(path, "stat", errno);
  if (S_ISDIR(status.st_mode)) fail_io(path, "read", EISDIR);
  const auto expected = static_cast<uint64_t>(status.st_size);
  if (expected > max_bytes) fail_length(path, max_bytes);
  std::string bytes(expected, '\0');
  size_t filled = 0;
  std::array<char, 4096> rest;  // what has come since, or all of what has no size (a pipe)
  for (;;) {
    const bool is_past = filled == bytes.size();
    char* to = is_past ? rest.data() : bytes.data() + filled;
    const size_t room = is_past ? rest.size() : bytes.size() - filled;
    const ssize_t got = retry_interrupted([&] { return ::read(file.fd(), to, room); });
    if (got < 0) fail_io(path, "read", errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    if (filled > max_bytes) fail_length(path, max_bytes);
    if (is_past) bytes.append(rest.data(), static_cast<size_t>(got));
  }
  bytes.resize(filled);
  return bytes;
}

FileWriter::FileWriter(fs::path path, int mode) : path_(std::move(path)) {
  buffer_.reserve(kBufferBytes);
  fd_ = open_file(path_, O_CREAT | O_EXCL | O_WRONLY, mode).release();
}

FileWriter::~FileWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(path_.c_str());
}

void FileWriter::write(std::string_view bytes) {
  if (fd_ < 0) fail(ExitCode::kInternal, "{}: written to after close", path_.string());
  bytes_ += bytes.size();
  hash_.update(bytes);
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) flush();
}

void FileWriter::flush() {
  write_all(fd_, buffer_, path_);
  flushed_ += buffer_.size();
  buffer_.clear();
  if (flushed_ - sent_ >= kWindowBytes) send_to_disk();
}

// Lets the disk work while we do, one window behind: what fsync has left to wait for is short on a
// slow disk, too. No durability is meant; a file system that cannot do it is no fault.
void FileWriter::send_to_disk() {
  const auto range = [&](uint64_t from, uint64_t to, unsigned flags) {
    const int result = retry_interrupted([&] {
      return ::sync_file_range(fd_, static_cast<off_t>(from), static_cast<off_t>(to - from), flags);
    });
    const bool is_fault = errno == EIO || errno == ENOSPC || errno == EDQUOT;
    if (result != 0 && is_fault) fail_io(path_, "write to the disk", errno);
  };
  range(sent_, flushed_, SYNC_FILE_RANGE_WRITE);
  constexpr unsigned kWait =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  if (sent_ > 0) range(0, sent_, kWait);
  sent_ = flushed_;
}

void FileWriter::close() {
  if (fd_ < 0) fail(ExitCode::kInternal, "{}: closed twice", path_.string());
  flush();
  if (retry_interrupted([&] { return ::fsync(fd_); }) != 0) fail_io(path_, "fsync", errno);
  const int result = ::close(fd_);
  const int error = errno;
  fd_ = -1;  // also after a failure: Linux has freed the descriptor
  if (result != 0 && error != EINTR) {
    ::unlink(path_.c_str());
    fail_io(path_, "close", error);
  }
  digest_ = hash_.hex_digest();
}

void publish_file(const fs::path& path, std::string_view bytes, int mode) {
  const fs::path temporary = beside(path, ".tmp-");
  FileWriter file(temporary, mode);
  file.write(bytes);
  file.close();
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail_io(path, "rename a temporary file to it", error);
  }
  sync_folder(folder_of(path));
}

}  // namespace thoughtrank
