// The run folder's lock: flock() on run_dir/LOCK, freed by the kernel when the process ends.
#pragma once

#include <filesystem>
#include <string>

namespace thoughtrank {

class RunLock {
 public:
  // Takes the lock. Error(kLocked) names pid, host and start time of the process that has it.
  explicit RunLock(const std::filesystem::path& run_dir);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

// Who has the lock of `run_dir`: "process 12 on host, started …", or "" when nobody has it. Asking
// does not hinder a process that takes the lock.
[[nodiscard]] std::string lock_holder(const std::filesystem::path& run_dir);

}  // namespace thoughtrank
