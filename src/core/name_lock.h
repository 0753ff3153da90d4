// A lock for file systems without flock(): a file that only one process can create.
#pragma once

#include <filesystem>
#include <string>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// What a process says about itself in a lock file: {pid, host, started, machine, boot, ticks}. The
// last two tell it from a later process of the same number.
[[nodiscard]] Json describe_this_process();

// "process 12 on host, started …".
[[nodiscard]] std::string holder_text(const Json& holder, const std::filesystem::path& path);

// Creates `path`. Throws Error(kLocked) where another process has it. A file that a process of this
// machine left when it ended is taken over; of another machine's process nobody here can tell
// whether it lives, so the message says which file to remove.
void take_name_lock(const std::filesystem::path& path);
void free_name_lock(const std::filesystem::path& path) noexcept;

// Throws that Error where another process has the lock.
void require_no_name_lock(const std::filesystem::path& path);

// Who has it; empty when nobody has.
[[nodiscard]] std::string name_lock_holder(const std::filesystem::path& path);

}  // namespace thoughtrank
