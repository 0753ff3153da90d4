// The run folder's lock: flock() on run_dir/LOCK, freed by the kernel when the process ends.
#pragma once

#include <filesystem>
#include <string>

namespace thoughtrank {

class RunLock {
 public:
  // Error(kLocked) naming pid, host and start time of the holder when somebody has it.
  explicit RunLock(const std::filesystem::path& run_dir);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int fd_ = -1;
};

// "process 12 on host, started …", or "" when nobody has the lock of `run_dir`. Never in the way of
// a process that takes it.
[[nodiscard]] std::string lock_holder(const std::filesystem::path& run_dir);

}  // namespace thoughtrank
