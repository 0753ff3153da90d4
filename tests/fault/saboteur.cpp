// Preloaded into the program to break one of its protections, so that a test of that protection is
// seen to fail (the controls of tests/fault). SABOTAGE names what to break:
//   no_sync        fsync and fdatasync do nothing and say that all is well
//   blind_errors   a write, sync or close that failed is reported as done
//   torn_rename    a rename copies slowly into the final name instead of replacing it at once
//   no_lock        every flock succeeds
//   deaf           handlers for SIGTERM, SIGINT, SIGHUP and SIGUSR1 are not installed; they are
//   ignored
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

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

}  // namespace

extern "C" {

int fsync(int fd) {
  if (breaks("no_sync")) return 0;
  const int result = real<int (*)(int)>("fsync")(fd);
  return breaks("blind_errors") ? 0 : result;
}

int fdatasync(int fd) {
  if (breaks("no_sync")) return 0;
  const int result = real<int (*)(int)>("fdatasync")(fd);
  return breaks("blind_errors") ? 0 : result;
}

ssize_t write(int fd, const void* bytes, size_t count) {
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

int flock(int fd, int operation) noexcept {
  if (breaks("no_lock")) return 0;
  return real<int (*)(int, int)>("flock")(fd, operation);
}

int sigaction(int number, const struct sigaction* action, struct sigaction* before) noexcept {
  const bool ends = number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGUSR1;
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  if (ends && action != nullptr && breaks("deaf")) action = &ignore;
  return real<int (*)(int, const struct sigaction*, struct sigaction*)>("sigaction")(
      number, action, before);
}

}  // extern "C"
