// Memory that the machine can still give this process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace thoughtrank {

// Bytes that can be allocated without swapping: the least of MemAvailable in /proc/meminfo and of
// what the memory limits of the process's control groups leave (version 2: its own and those above;
// version 1: the root's). nullopt where none of them can be read. `root` stands for "/".
[[nodiscard]] std::optional<int64_t> available_memory(const std::filesystem::path& root = "/");

}  // namespace thoughtrank
