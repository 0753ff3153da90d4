// Memory of the machine: what it can still give this process, and what the process has.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace thoughtrank {

// Returns the bytes that can be allocated without swapping: the least of MemAvailable in
// /proc/meminfo and of what the memory limits of the process's control groups and those above them
// leave. nullopt where none of them can be read. `root` stands for "/".
[[nodiscard]] std::optional<int64_t> available_memory(const std::filesystem::path& root = "/");

// Bytes of this process that lie in memory: now, and at its largest.
[[nodiscard]] int64_t resident_bytes();
[[nodiscard]] int64_t peak_resident_bytes();

}  // namespace thoughtrank
