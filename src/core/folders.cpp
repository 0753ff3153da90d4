#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/nonce.h"
#include "core/system_call.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

constexpr int64_t kManifestFormat = 1;
constexpr uint64_t kLongestManifest = 64ull << 20;

bool is_plain(const std::string& path) {
  const fs::path parts(path);
  if (path.empty() || path == kManifestName || parts.is_absolute()) return false;
  return parts.lexically_normal() == parts && *parts.begin() != ".." && *parts.begin() != "." &&
         !path.ends_with('/');
}

// Every path below `folder` that is no folder, relative to it; the manifest itself is left out.
std::set<std::string> list_files(const fs::path& folder) {
  std::set<std::string> names;
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;  // other people's folders
  for (const auto& entry : fs::recursive_directory_iterator(folder, kSkip)) {
    if (fs::is_directory(entry.symlink_status())) continue;
    const std::string name = fs::path(entry.path()).lexically_relative(folder).string();
    if (name != kManifestName) names.insert(name);
  }
  return names;
}

// Why a file is not as the manifest says, by what can be told without reading it; else nothing. A
// link to a file of the same bytes is as good as the file.
std::string size_problem(const fs::path& folder, const ManifestEntry& file) {
  const fs::path path = folder / file.path;
  if (!fs::exists(path)) return fmt::format("{} is missing", path.string());
  if (!fs::is_regular_file(path)) return fmt::format("{} is not a regular file", path.string());
  const uint64_t bytes = fs::file_size(path);
  if (bytes == file.bytes) return "";
  return fmt::format("{} has {} bytes, the manifest says {}", path.string(), bytes, file.bytes);
}

// Why a file is not as the manifest says; else nothing.
std::string problem_with(const fs::path& folder, const ManifestEntry& file) {
  if (std::string problem = size_problem(folder, file); !problem.empty()) return problem;
  const std::string found = sha256_file(folder / file.path);
  if (found == file.sha256) return "";
  return fmt::format("{} has SHA-256 {}, the manifest says {}",
                     (folder / file.path).string(),
                     found,
                     shorten(file.sha256, 64));
}

// Error(kIo) unless exactly the listed files are in `temporary`, with their sizes.
void require_exactly(const fs::path& temporary,
                     const std::vector<ManifestEntry>& files,
                     const fs::path& final_path) {
  const auto refuse = [&](const std::string& reason) {
    fail(ExitCode::kIo, "{}: cannot publish: {}", final_path.string(), reason);
  };
  std::set<std::string> unlisted = list_files(temporary);
  for (const ManifestEntry& file : files) {
    if (const std::string reason = size_problem(temporary, file); !reason.empty()) refuse(reason);
    unlisted.erase(file.path);
  }
  if (unlisted.empty()) return;
  refuse(fmt::format("{} is not in the manifest", (temporary / *unlisted.begin()).string()));
}

void check_entries(const fs::path& folder, const std::vector<ManifestEntry>& sorted) {
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (!is_plain(sorted[i].path) || (i > 0 && sorted[i].path == sorted[i - 1].path)) {
      fail(ExitCode::kBadData,
           "{}: the manifest's path '{}' is listed twice or is not a plain relative path",
           folder.string(),
           shorten(sorted[i].path));
    }
  }
}

std::string manifest_text(const std::vector<ManifestEntry>& files, const Json& extra) {
  Json manifest = {{"format", kManifestFormat}, {"files", Json::array()}};
  for (const ManifestEntry& file : files) {
    manifest["files"].push_back(
        {{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  for (const auto& [key, value] : extra.items()) {
    if (manifest.contains(key)) {
      fail(ExitCode::kInternal, "a manifest's extra key cannot be '{}'", key);
    }
    manifest[key] = value;
  }
  return dump_json(manifest) + "\n";
}

std::vector<ManifestEntry> read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestName;
  const std::string where = path.string();
  const Json manifest = parse_json(read_file(path, kLongestManifest), where);
  if (require(manifest, "format", where) != kManifestFormat) {
    fail(ExitCode::kBadData, "{}: 'format' should be {}", where, kManifestFormat);
  }
  const Json& rows = require(manifest, "files", where);
  if (!rows.is_array()) fail(ExitCode::kBadData, "{}: 'files' should be a list", where);
  std::vector<ManifestEntry> files;
  for (const Json& row : rows) {
    const int64_t bytes = require_int(row, "bytes", 0, std::numeric_limits<int64_t>::max(), where);
    files.push_back({.path = require_string(row, "path", where),
                     .bytes = static_cast<uint64_t>(bytes),
                     .sha256 = require_string(row, "sha256", where)});
  }
  check_entries(folder, files);
  return files;
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (fs::is_directory(entry.symlink_status())) sync_folder(entry.path());
  }
  sync_folder(folder);
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail_io(path, "remove", error.value());
}

std::string gigabytes(double bytes) {
  return bytes < 1e8 ? fmt::format("{:.0f} kB", bytes / 1e3)
                     : fmt::format("{:.1f} GB", bytes / 1e9);
}

}  // namespace

fs::path folder_of(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

fs::path beside(const fs::path& path, std::string_view prefix) {
  std::random_device device;
  return folder_of(path) / fmt::format("{}{:08x}{:08x}", prefix, device(), device());
}

bool rename_without_replacing(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  int error = errno;
  const bool knows_no_flags = error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
  if (knows_no_flags) {
    error = fs::exists(fs::symlink_status(to)) ? EEXIST : 0;
    if (error == 0 && ::rename(from.c_str(), to.c_str()) != 0) error = errno;
  }
  if (error != 0) fail_io(to, fmt::format("rename {} to it", from.string()), error);
  return false;
}

std::string publish_folder(const fs::path& temporary,
                           const fs::path& final_path,
                           const std::vector<ManifestEntry>& files,
                           const Json& extra) {
  std::vector<ManifestEntry> sorted = files;
  std::sort(sorted.begin(), sorted.end(), [](const ManifestEntry& a, const ManifestEntry& b) {
    return a.path < b.path;
  });
  check_entries(temporary, sorted);
  require_exactly(temporary, sorted, final_path);
  FileWriter manifest(temporary / kManifestName);
  manifest.write(manifest_text(sorted, extra));
  manifest.close();
  sync_tree(temporary);
  rename_without_replacing(temporary, final_path);
  sync_folder(folder_of(final_path));
  return manifest.sha256();
}

std::vector<ChangedFile> changed_files(const fs::path& folder) {
  std::vector<ChangedFile> changed;
  for (const ManifestEntry& file : read_manifest(folder)) {
    std::string problem = problem_with(folder, file);
    if (!problem.empty()) changed.push_back({.path = file.path, .reason = std::move(problem)});
  }
  return changed;
}

std::vector<std::string> foreign_files(const fs::path& folder) {
  std::set<std::string> names = list_files(folder);
  for (const ManifestEntry& file : read_manifest(folder)) names.erase(file.path);
  return {names.begin(), names.end()};
}

std::string verify_folder(const fs::path& folder) {
  try {
    const std::vector<ChangedFile> changed = changed_files(folder);
    return changed.empty() ? "" : changed.front().reason;
  } catch (const Error& error) {
    return error.what();
  } catch (const fs::filesystem_error& error) {
    return error.what();
  }
}

bool sync_folder(const fs::path& folder) {
  const FileHandle handle = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (retry_interrupted([&] { return ::fsync(handle.fd()); }) == 0) return true;
  // Some file systems over a network or in user space have no such operation for folders.
  const bool knows_none = errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
  if (!knows_none) fail_io(folder, "fsync", errno);
  return false;
}

FileSystemTraits try_file_system(const fs::path& folder) {
  const fs::path first = beside(folder / "x", ".tmp-try-"),
                 second = beside(folder / "x", ".tmp-try-");
  FileSystemTraits traits;
  {
    FileWriter file(first);
    file.write("x");
    file.close();
  }
  try {
    traits.locks = ::flock(open_file(first, O_RDONLY).fd(), LOCK_EX | LOCK_NB) == 0;
    traits.renames_at_once = rename_without_replacing(first, second);
    traits.syncs_folders = sync_folder(folder);
  } catch (const Error&) {
    ::unlink(first.c_str());
    ::unlink(second.c_str());
    throw;
  }
  if (::unlink(second.c_str()) != 0) fail_io(second, "remove", errno);
  return traits;
}

void require_free_space(const fs::path& folder, uint64_t bytes) {
  struct statvfs disk {};
  if (retry_interrupted([&] { return ::statvfs(folder.c_str(), &disk); }) != 0) {
    fail_io(folder, "look up its free disk space", errno);
  }
  const double needed = 1.2 * static_cast<double>(bytes);
  const double available = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (available >= needed) return;
  fail(
      ExitCode::kIo,
      "{}: {} are needed on this disk (1.2 x {} bytes), {} are free. Free some space and run again",
      folder.string(),
      gigabytes(needed),
      bytes,
      gigabytes(available));
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(".tmp-") || name.starts_with(".trash-"))
      leftovers.push_back(entry->path());
  }
  if (error == std::errc::no_such_file_or_directory) return;
  if (error) fail_io(folder, "list", error.value());
  for (const fs::path& path : leftovers) remove_tree(path);
}

void remove_durably(const fs::path& path) {
  const fs::path trash = beside(path, ".trash-");
  if (::rename(path.c_str(), trash.c_str()) != 0) {
    if (errno == ENOENT) return;
    fail_io(path, fmt::format("rename to {}", trash.string()), errno);
  }
  sync_folder(folder_of(path));
  remove_tree(trash);
}

}  // namespace thoughtrank
