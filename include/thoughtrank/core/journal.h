// An append-only log of JSON records that survives kills and power cuts. One line is one write():
//   {"seq":n,"crc32c":"…","body":{…}}\n
// followed by fdatasync, so a record that append() has returned from is durable. On open a torn
// tail (no newline, bad CRC or NULs in the last line) is cut off with one warning; damage before a
// good record, or a gap in seq, is Error(kBadData) with file:line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

class Journal {
 public:
  // Opens or creates the file; gives each surviving body to `replay` in order.
  Journal(std::filesystem::path path, const std::function<void(const Json& body)>& replay);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Durable when it returns; Error(kIo) else. Safe to call from several threads.
  void append(const Json& body);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  int64_t next_seq_ = 0;
  std::mutex mutex_;
};

// Reads without opening for writing or cutting anything (for `status`, `inspect`): gives the good
// records.
void read_journal(const std::filesystem::path& path,
                  const std::function<void(const Json& body)>& replay);

}  // namespace thoughtrank
