// The run folder's lock: flock() on run_dir/LOCK, freed by the kernel when the process ends. Where
// the file system has no flock, run_dir/LOCK.held is there while the folder is in use.
#pragma once

#include <filesystem>
#include <string>

namespace thoughtrank {

class RunLock {
 public:
  // Takes the lock. Throws Error(kLocked), which names pid, host and start time of the process that
  // has it.
  explicit RunLock(const std::filesystem::path& run_dir);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  // Is true where a name stands for the lock: it stays behind when the process is killed.
  [[nodiscard]] bool is_by_name() const { return !name_.empty(); }

 private:
  int fd_ = -1;
  std::filesystem::path name_;  // the file, where there is no flock
};

// Who has the lock of `run_dir`: "process 12 on host, started …", or "" when nobody has it. Asking
// does not hinder a process that takes the lock.
[[nodiscard]] std::string lock_holder(const std::filesystem::path& run_dir);

}  // namespace thoughtrank
