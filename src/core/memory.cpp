#include "thoughtrank/core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

#include "core/control_groups.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

// The number after `key` in a file of lines "key number …".
std::optional<int64_t> number_after(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + " ")) return std::strtoll(line.c_str() + key.size(), nullptr, 10);
  }
  return std::nullopt;
}

struct LimitFiles {
  const char *most, *used, *reclaimable;  // the last: key in memory.stat, pages that can be dropped
};

std::optional<int64_t> left_in(const fs::path& group, const LimitFiles& files) {
  const auto most = number_in(group / files.most), used = number_in(group / files.used);
  if (!most || !used) return std::nullopt;
  const int64_t reclaimable = number_after(group / "memory.stat", files.reclaimable).value_or(0);
  return std::max<int64_t>(0, *most - *used + reclaimable);
}

}  // namespace

std::optional<int64_t> available_memory(const fs::path& root) {
  std::optional<int64_t> least;
  const auto consider = [&](std::optional<int64_t> bytes) {
    if (bytes) least = std::min(*bytes, least.value_or(*bytes));
  };
  const auto kilobytes = number_after(root / "proc/meminfo", "MemAvailable:");
  if (kilobytes) consider(*kilobytes * 1024);
  const ControlGroups groups = control_groups(root, "memory");
  for (const fs::path& group : groups.unified) {
    consider(left_in(group, {"memory.max", "memory.current", "inactive_file"}));
  }
  for (const fs::path& group : groups.legacy) {
    consider(
        left_in(group, {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}));
  }
  return least;
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all_pages = 0, resident_pages = 0;
  file >> all_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

}  // namespace thoughtrank
