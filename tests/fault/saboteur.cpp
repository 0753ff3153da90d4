// Preloaded into the program to break one of its protections, so that a test of that protection is
// seen to fail (the controls of tests/fault). SABOTAGE names what to break:
//   no_sync        fsync and fdatasync do nothing and say that all is well
//   blind_errors   a write, sync or close that failed is reported as done
//   torn_rename    a rename copies slowly into the final name instead of replacing it at once
//   no_lock        every flock succeeds
//   deaf           handlers for SIGTERM, SIGINT, SIGHUP and SIGUSR1 are not installed; they are
//                  ignored
// Others make a fault that no test can make from outside:
//   spoil_weights  the SABOTAGE_AT-th sync of a *.safetensors file writes garbage into it first
//   hang           the SABOTAGE_AT-th sync never returns
//   no_rename_flags, no_flock, no_folder_sync  renameat2, flock, fsync of a folder fail with the
//                  error of the number SABOTAGE_ERROR: file systems that have no such thing
//   no_space       the SABOTAGE_AT-th write fails: the disk is full
//   no_memory      the SABOTAGE_AT-th allocation after the signal handlers are installed fails;
//                  with SABOTAGE_ONWARDS all after it do, too; their number goes to the file
//                  SABOTAGE_COUNT
// With SABOTAGE_LOG each acknowledged sync below SABOTAGE_DISK is a line in that file; after the
// SABOTAGE_CUT-th of them the power is cut: the file system is shut down as it is on the disk
// (SABOTAGE_FLUSH: with its journal flushed first), and the process is killed.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

bool breaks(const char* what) {
  const char* named = ::getenv("SABOTAGE");
  return named != nullptr && ::strcmp(named, what) == 0;
}

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

bool is_folder(const char* path) {
  struct stat about {};
  return ::stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

// Byte by byte enough to be caught in the middle: half, then the rest.
int copy_slowly(const char* from, const char* to) {
  const int in = ::open(from, O_RDONLY | O_CLOEXEC);
  const int out = ::open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  static char bytes[1 << 22];
  const ssize_t count = in < 0 ? -1 : ::read(in, bytes, sizeof bytes);
  if (out < 0 || count < 0) return -1;
  const auto write_part = [&](ssize_t first, ssize_t last) {
    return ::write(out, bytes + first, static_cast<size_t>(last - first)) == last - first;
  };
  const bool is_whole = write_part(0, count / 2) && write_part(count / 2, count);
  ::close(in);
  ::close(out);
  return is_whole && ::unlink(from) == 0 ? 0 : -1;
}

// 0 where it is not set.
long number(const char* name) {
  const char* text = ::getenv(name);
  return text == nullptr ? 0 : ::atol(text);
}

// The file of a descriptor; empty where it has none.
struct Path {
  char text[4096] = "";
  explicit Path(int fd) {
    char link[64];
    ::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = ::readlink(link, text, sizeof text - 1);
    text[length < 0 ? 0 : length] = '\0';
  }
  [[nodiscard]] bool ends_with(const char* end) const {
    const size_t length = ::strlen(text), tail = ::strlen(end);
    return length >= tail && ::strcmp(text + length - tail, end) == 0;
  }
};

off_t size_of(int fd) {
  struct stat about {};
  return ::fstat(fd, &about) == 0 ? about.st_size : 0;
}

void spoil(int fd) {
  static std::atomic<long> files = 0;
  if (!Path(fd).ends_with(".safetensors") || ++files != number("SABOTAGE_AT")) return;
  char garbage[1 << 14];
  ::memset(garbage, 0x3f, sizeof garbage);  // floats of 0.747
  (void)!::pwrite(fd, garbage, sizeof garbage, size_of(fd) - off_t{sizeof garbage});
}

// Whether the folder is the root of a file system: the machine's own is never cut off.
bool is_mount(const char* folder) {
  struct stat inside {
  }, outside{};
  char above[4096];
  ::snprintf(above, sizeof above, "%s/..", folder);
  return ::stat(folder, &inside) == 0 && ::stat(above, &outside) == 0 &&
         inside.st_dev != outside.st_dev;
}

void cut_power(int fd) {
  if (!is_mount(::getenv("SABOTAGE_DISK"))) return;
  constexpr unsigned long kShutDown = _IOR('X', 125, uint32_t);  // EXT4_IOC_SHUTDOWN
  uint32_t how = number("SABOTAGE_FLUSH") != 0 ? 1 : 2;          // LOGFLUSH, NOLOGFLUSH
  ::ioctl(fd, kShutDown, &how);
  ::kill(::getpid(), SIGKILL);
}

// `size`: the file's when its sync began. What another thread has added since is not acknowledged.
void acknowledge(int fd, off_t size) {
  static std::atomic<long> syncs = 0;
  const char *log = ::getenv("SABOTAGE_LOG"), *disk = ::getenv("SABOTAGE_DISK");
  const Path path(fd);
  if (log == nullptr || disk == nullptr || ::strncmp(path.text, disk, ::strlen(disk)) != 0) return;
  char line[4200];
  const int length = ::snprintf(line, sizeof line, "%ld %s\n", long{size}, path.text);
  const int out = ::open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  (void)!::write(out, line, static_cast<size_t>(length));
  ::close(out);
  if (++syncs == number("SABOTAGE_CUT")) cut_power(fd);
}

int refused() {
  errno = static_cast<int>(number("SABOTAGE_ERROR"));
  return -1;
}

void hang() {
  static std::atomic<long> syncs = 0;
  if (++syncs == number("SABOTAGE_AT")) {
    for (;;) ::pause();
  }
}

int sync_with(const char* name, int fd) {
  if (breaks("hang")) hang();
  if (breaks("spoil_weights")) spoil(fd);
  if (breaks("no_folder_sync") && is_folder(Path(fd).text)) return refused();
  const off_t size = size_of(fd);
  int result = breaks("no_sync") ? 0 : real<int (*)(int)>(name)(fd);
  if (breaks("blind_errors")) result = 0;
  if (result == 0) acknowledge(fd, size);
  return result;
}

std::atomic<bool> counts_memory = false;
std::atomic<long> allocations = 0;

bool is_out_of_memory() {
  if (!counts_memory) return false;
  static const long at = number("SABOTAGE_AT");
  static const bool onwards = number("SABOTAGE_ONWARDS") != 0;
  const long n = ++allocations;
  return n == at || (onwards && n > at);
}

// How many there were to fail, for whoever sweeps over them.
struct CountAtTheEnd {
  ~CountAtTheEnd() {
    const char* log = breaks("no_memory") ? ::getenv("SABOTAGE_COUNT") : nullptr;
    const int out = log == nullptr ? -1 : ::open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (out < 0) return;
    ::dprintf(out, "%ld\n", allocations.load());
    ::close(out);
  }
} count_at_the_end;

}  // namespace

void* operator new(size_t bytes) {
  void* memory = is_out_of_memory() ? nullptr : ::malloc(bytes == 0 ? 1 : bytes);
  if (memory != nullptr) return memory;
  if (const std::new_handler handler = std::get_new_handler()) handler();
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { ::free(memory); }
void operator delete(void* memory, size_t) noexcept { ::free(memory); }

extern "C" {

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }

ssize_t write(int fd, const void* bytes, size_t count) {
  static std::atomic<long> writes = 0;
  if (breaks("no_space") && fd > STDERR_FILENO && ++writes == number("SABOTAGE_AT")) {
    errno = ENOSPC;
    return -1;
  }
  const ssize_t result = real<ssize_t (*)(int, const void*, size_t)>("write")(fd, bytes, count);
  return result < 0 && breaks("blind_errors") ? static_cast<ssize_t>(count) : result;
}

int close(int fd) {
  const int result = real<int (*)(int)>("close")(fd);
  return breaks("blind_errors") ? 0 : result;
}

int rename(const char* from, const char* to) noexcept {
  if (breaks("torn_rename") && !is_folder(from)) return copy_slowly(from, to);
  return real<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(
    int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  if (breaks("no_rename_flags")) return refused();
  return real<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(
      from_folder, from, to_folder, to, flags);
}

int flock(int fd, int operation) noexcept {
  if (breaks("no_lock")) return 0;
  if (breaks("no_flock")) return refused();
  return real<int (*)(int, int)>("flock")(fd, operation);
}

int sigaction(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
  const bool ends = signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGUSR1;
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  if (ends && action != nullptr && breaks("deaf")) action = &ignore;
  if (signal == SIGTERM && breaks("no_memory")) counts_memory = true;
  return real<int (*)(int, const struct sigaction*, struct sigaction*)>("sigaction")(
      signal, action, before);
}

}  // extern "C"
