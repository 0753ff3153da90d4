// Files that are either whole or not there. Everything a run publishes goes through here: exclusive
// creation, full writes, hashing while writing, fsync, checked close, rename, fsync of the parent.
// A failed write, fsync or close abandons the file: Error(kIo) with path, operation and reason;
// never retried.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

namespace fs = std::filesystem;

// The whole file. Error(kMissingInput) when there is none, Error(kIo) when it cannot be read,
// Error(kBadData) when it is longer than `max_bytes`.
[[nodiscard]] std::string read_file(const fs::path& path, uint64_t max_bytes = 1ull << 32);

// A new file (O_EXCL) that hashes what it writes. The destructor removes a file that was not
// closed.
class FileWriter {
 public:
  explicit FileWriter(fs::path path, int mode = 0644);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(std::string_view bytes);
  // Makes the file durable (fsync, close).
  void close();
  // The digest of what was written, once the file is closed.
  [[nodiscard]] std::string sha256() const { return digest_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
  Sha256 hash_;
  std::string digest_;
  std::string buffer_;
  // Bytes given to the system, and bytes that it was asked to send to the disk.
  uint64_t flushed_ = 0, sent_ = 0;
  void flush();
  void send_to_disk();
};

// Replaces `path` with a file of these bytes: temporary beside it, fsync, rename, fsync of the
// folder.
void publish_file(const fs::path& path, std::string_view bytes, int mode = 0644);

// The list of a published folder's files, in that folder.
inline constexpr const char* kManifestName = "MANIFEST.json";
// {path, bytes, sha256} of a file inside a folder; paths are relative, plain, sorted.
struct ManifestEntry {
  std::string path;
  uint64_t bytes = 0;
  std::string sha256;
};

// Publishes the folder `temporary` (same parent, every file already durable) as `final_path`:
// writes MANIFEST.json {format, files, …extra} last, fsyncs the tree, renames without replacing,
// fsyncs the parent. Returns the SHA-256 of MANIFEST.json.
std::string publish_folder(const fs::path& temporary,
                           const fs::path& final_path,
                           const std::vector<ManifestEntry>& files,
                           const Json& extra);

// Empty when every file of MANIFEST.json is there with its size and hash and no other file is; else
// the reason, naming the file.
[[nodiscard]] std::string verify_folder(const fs::path& folder);

// Makes the names in `folder` durable (fsync of the folder).
void sync_folder(const fs::path& folder);
// Error(kIo) naming the bytes needed and free unless `folder`'s disk has 1.2 × `bytes` free.
void require_free_space(const fs::path& folder, uint64_t bytes);
// Removes what a killed run left: children of `folder` whose names begin with ".tmp-" or ".trash-".
void remove_leftovers(const fs::path& folder);
// Removes a file or folder so that a power cut leaves all of it or nothing: renames it to .trash-…,
// fsyncs the parent, then deletes.
void remove_durably(const fs::path& path);

}  // namespace thoughtrank
