// The control groups (cgroups) that limit what this process may use. A batch system, a container or
// systemd puts a process into groups that lie in each other; each of them may set a limit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace thoughtrank {

// The folders of the process's own group and of all above it, the own one first, by version of the
// kernel's interface; a machine has one of them or both. Folders may be missing.
struct ControlGroups {
  std::vector<std::filesystem::path> unified;  // version 2: one tree for all controllers
  std::vector<std::filesystem::path> legacy;   // version 1: the tree of this controller
};

// Returns the groups of `controller` ("memory", "cpu"). `root` stands for "/".
[[nodiscard]] ControlGroups control_groups(const std::filesystem::path& root,
                                           std::string_view controller);

// Returns the number with which a file begins; nothing for "max" or where there is no such file.
[[nodiscard]] std::optional<int64_t> number_in(const std::filesystem::path& file);

}  // namespace thoughtrank
