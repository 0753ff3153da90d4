// An append-only log of JSON records that survives kills and power cuts. One line is one write():
//   {"seq":n,"crc32c":"…","body":{…}}\n
// followed by fdatasync, so a record that append() has returned from is durable. On open a torn
// tail (no newline, bad CRC or NULs in the last line) is cut off with one warning; damage before a
// good record, or a gap in seq, is Error(kBadData) with file:line.
// Work that can be done again is better grouped: many records share one fdatasync.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

enum class Durability {
  // A record is durable when append() returns.
  each_record,
  // A kill loses nothing, a power cut the records since the last sync. Those may reach the disk in
  // any order: on open everything from the first damaged record on is cut off. Syncs are a second
  // apart, or 100 times what the last one took, so that they take 1 % of the time at most.
  grouped
};

class Journal {
 public:
  // Opens or creates the file; gives each surviving body to `replay` in order.
  Journal(std::filesystem::path path,
          const std::function<void(const Json& body)>& replay,
          Durability durability = Durability::each_record);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Returns when the record is written and as durable as said above; else Error(kIo). May be called
  // from several threads.
  void append(const Json& body);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  void sync(int fd);

  std::filesystem::path path_;
  Durability durability_;
  SteadyTime next_sync_ = {};  // time of the next sync of grouped records
  int fd_ = -1;
  int64_t next_seq_ = 0;
  std::mutex mutex_;
};

// Reads without opening for writing or cutting anything (for `status`, `inspect`): gives the good
// records.
void read_journal(const std::filesystem::path& path,
                  const std::function<void(const Json& body)>& replay);

}  // namespace thoughtrank
