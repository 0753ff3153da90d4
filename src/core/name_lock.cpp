#include "core/name_lock.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <sstream>

#include "core/system_call.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kLongestLock = 4096;

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

std::string first_word(const char* file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

// The machine, and within it the numbering of processes: containers may have their own, under the
// same host name.
std::string machine() {
  std::error_code ignored;
  const fs::path numbering = fs::read_symlink("/proc/self/ns/pid", ignored);
  return first_word("/etc/machine-id") + " " + numbering.string();
}

std::string boot_id() { return first_word("/proc/sys/kernel/random/boot_id"); }

// Ticks from the machine's start to the process's; -1 where there is no such process. The name, the
// second field of /proc/N/stat, may hold anything; the start is the 20th after it.
int64_t start_ticks(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return -1;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int n = 0; n < 20; ++n) fields >> field;
  return fields ? std::strtoll(field.c_str(), nullptr, 10) : -1;
}

// True where the process is known to have ended: it was one of this machine.
bool has_ended(const Json& holder, const fs::path& path) {
  const std::string where = path.string();
  if (require_string(holder, "host", where) != host_name()) return false;
  if (require_string(holder, "machine", where) != machine()) return false;
  if (require_string(holder, "boot", where) != boot_id()) return true;
  const int64_t pid = require_int(holder, "pid", 0, INT64_MAX, where);
  return start_ticks(pid) != require_int(holder, "ticks", -1, INT64_MAX, where);
}

// False where there is such a file.
bool create(const fs::path& path) {
  const int fd = retry_interrupted(
      [&] { return ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644); });
  if (fd < 0 && errno == EEXIST) return false;
  if (fd < 0) fail_io(path, "create", errno);
  const FileHandle file(fd);
  try {
    write_all(fd, dump_json(describe_this_process()) + "\n", path);
    if (retry_interrupted([&] { return ::fsync(fd); }) != 0) fail_io(path, "fsync", errno);
  } catch (const Error&) {
    ::unlink(path.c_str());
    throw;
  }
  return true;
}

[[noreturn]] void refuse(const fs::path& path, const std::string& holder) {
  fail(ExitCode::kLocked,
       "{}: locked by {}. Wait for it or stop it; if it is gone, remove {}",
       path.parent_path().string(),
       holder,
       path.string());
}

// Lets one process of this machine after the other look at what was left and take it over: an
// abstract socket's name, which is free again when its process ends, however it ends.
class TakeOver {
 public:
  explicit TakeOver(const fs::path& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string name = "thoughtrank " + sha256(fs::absolute(path).string());
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::copy(name.begin(), name.end(), address.sun_path + 1);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    is_alone_ = ::bind(socket_.fd(), reinterpret_cast<const sockaddr*>(&address), length) == 0;
  }
  [[nodiscard]] bool is_alone() const { return is_alone_; }

 private:
  FileHandle socket_;
  bool is_alone_ = false;
};

// Removes the file of a process of this machine that has ended; refuses that of another. False
// where somebody else is at it.
bool remove_left(const fs::path& path) {
  const TakeOver turn(path);
  if (!turn.is_alone()) return false;
  try {
    const Json holder = parse_json(read_file(path, kLongestLock), path.string());
    if (!has_ended(holder, path)) refuse(path, holder_text(holder, path));
  } catch (const Error& error) {
    if (error.code() == ExitCode::kMissingInput) return true;  // freed just now
    if (error.code() == ExitCode::kBadData) refuse(path, "another process");
    throw;
  }
  if (::unlink(path.c_str()) != 0) fail_io(path, "remove", errno);
  return true;
}

}  // namespace

Json describe_this_process() {
  return {{"pid", ::getpid()},
          {"host", host_name()},
          {"started", SystemClock().utc_time()},
          {"machine", machine()},
          {"boot", boot_id()},
          {"ticks", start_ticks(::getpid())}};
}

std::string holder_text(const Json& holder, const fs::path& path) {
  const std::string where = path.string();
  return fmt::format("process {} on {}, started {}",
                     dump_json(require(holder, "pid", where)),
                     shorten(require_string(holder, "host", where)),
                     shorten(require_string(holder, "started", where)));
}

void take_name_lock(const fs::path& path) {
  constexpr int kTries = 50;
  constexpr useconds_t kPause_us = 20'000;
  for (int n = 0; n < kTries; ++n) {
    if (create(path)) return;
    if (!remove_left(path)) ::usleep(kPause_us);
  }
  refuse(path, "another process");
}

void free_name_lock(const fs::path& path) noexcept { ::unlink(path.c_str()); }

std::string name_lock_holder(const fs::path& path) {
  try {
    const Json holder = parse_json(read_file(path, kLongestLock), path.string());
    return has_ended(holder, path) ? "" : holder_text(holder, path);
  } catch (const Error& error) {
    return error.code() == ExitCode::kMissingInput ? "" : "another process";
  }
}

void require_no_name_lock(const fs::path& path) {
  if (const std::string holder = name_lock_holder(path); !holder.empty()) refuse(path, holder);
}

}  // namespace thoughtrank
