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

// Renames a file or folder; Error(kIo) where `to` exists. False where the file system cannot do
// both at once (NFS, Lustre, GlusterFS): then only a lock keeps others from making `to` in between.
bool rename_without_replacing(const fs::path& from, const fs::path& to);

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

// A file of MANIFEST.json that is not as it was published.
struct ChangedFile {
  std::string path;    // relative, as in the manifest
  std::string reason;  // a sentence that names the file
};
// Returns the files of MANIFEST.json that are missing or have another size or hash, in the
// manifest's order. Throws Error(kMissingInput | kBadData) where the manifest cannot be read. What
// else is in the folder is somebody else's.
[[nodiscard]] std::vector<ChangedFile> changed_files(const fs::path& folder);
// Returns what is in a published folder beside the manifest and its files: somebody else's.
[[nodiscard]] std::vector<std::string> foreign_files(const fs::path& folder);
// Returns the reason why the folder is not as it was published, or nothing when it is.
[[nodiscard]] std::string verify_folder(const fs::path& folder);

// Makes the names in `folder` durable (fsync of the folder). Returns false where the file system
// has no such thing.
bool sync_folder(const fs::path& folder);

// What the file system of a folder can do of what a run would like.
struct FileSystemTraits {
  bool renames_at_once = true;  // without replacing, see rename_without_replacing()
  bool syncs_folders = true;
  bool locks = true;  // has flock(), see lock.h
};
// Tries it with a file that is removed again. Throws Error(kIo) naming the operation for what a run
// cannot do without: to create, write, fsync, rename and remove a file.
[[nodiscard]] FileSystemTraits try_file_system(const fs::path& folder);

// Error(kIo) naming the bytes needed and free unless `folder`'s disk has 1.2 × `bytes` free.
void require_free_space(const fs::path& folder, uint64_t bytes);
// Removes what a killed run left: children of `folder` whose names begin with ".tmp-" or ".trash-".
void remove_leftovers(const fs::path& folder);
// Removes a file or folder so that a power cut leaves all of it or nothing: renames it to .trash-…,
// fsyncs the parent, then deletes.
void remove_durably(const fs::path& path);

}  // namespace thoughtrank
