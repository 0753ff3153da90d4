// A file opened for reading with pread, with its size as of opening. Never mapped: a mapped file
// that is cut short under us ends the process with SIGBUS.
#pragma once

#include <cstdint>
#include <filesystem>

namespace thoughtrank {

class ReadableFile {
 public:
  // Regular files only. Error(kMissingInput) when there is none, Error(kIo) when it cannot be
  // opened.
  explicit ReadableFile(std::filesystem::path path);
  ~ReadableFile();
  ReadableFile(const ReadableFile&) = delete;
  ReadableFile& operator=(const ReadableFile&) = delete;

  [[nodiscard]] uint64_t size() const { return size_; }
  // Fills `bytes` bytes at `target`. Error(kBadData) when the file ends before, Error(kIo) when
  // reading fails.
  void read_at(uint64_t offset, void* target, uint64_t bytes) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace thoughtrank
