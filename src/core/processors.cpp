#include "thoughtrank/core/processors.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "core/control_groups.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

// Processors in the process's affinity mask. A kernel for more processors than the set has room for
// refuses it, so larger ones are tried.
int64_t scheduled_processors() {
  constexpr int kMostProcessors = 1 << 16;
  for (int most = CPU_SETSIZE; most <= kMostProcessors; most *= 2) {
    const std::unique_ptr<cpu_set_t, FreeCpuSet> set(CPU_ALLOC(static_cast<size_t>(most)));
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(most));
    if (set && ::sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
  }
  return std::thread::hardware_concurrency();
}

// Processors that a group's quota amounts to; nothing where there is none.
std::optional<int64_t> quota(std::optional<int64_t> time_us, std::optional<int64_t> period_us) {
  if (!time_us || !period_us || *time_us <= 0 || *period_us <= 0) return std::nullopt;
  return *time_us / *period_us;
}

// "150000 100000" or "max 100000".
std::optional<int64_t> unified_quota(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  int64_t time_us = 0, period_us = 0;
  if (file >> time_us >> period_us) return quota(time_us, period_us);
  return std::nullopt;
}

std::optional<int64_t> legacy_quota(const fs::path& group) {
  return quota(number_in(group / "cpu.cfs_quota_us"), number_in(group / "cpu.cfs_period_us"));
}

}  // namespace

int64_t usable_processors(const fs::path& root) {
  int64_t count = scheduled_processors();
  const ControlGroups groups = control_groups(root, "cpu");
  for (const fs::path& group : groups.unified) {
    count = std::min(count, unified_quota(group).value_or(count));
  }
  for (const fs::path& group : groups.legacy) {
    count = std::min(count, legacy_quota(group).value_or(count));
  }
  return std::max<int64_t>(1, count);
}

}  // namespace thoughtrank
