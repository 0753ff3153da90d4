// Processors that this process may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace thoughtrank {

// Returns how many threads can run at once: the processors that the process may be scheduled on
// (taskset, a batch system's or a container's cpuset), at most the share of time that the quotas of
// its control groups leave (cpu.max; version 1: cpu.cfs_quota_us), rounded down since threads that
// wait for each other lose more by a pause than by one thread less. At least 1. `root` stands for
// "/" of the control groups' files.
[[nodiscard]] int64_t usable_processors(const std::filesystem::path& root = "/");

}  // namespace thoughtrank
