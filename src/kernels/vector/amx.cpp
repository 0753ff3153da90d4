#include "kernels/vector/amx.h"

#include <cpuid.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "thoughtrank/kernels/matrix_tiles.h"

namespace thoughtrank {
namespace {

// Of <asm/prctl.h>, which is younger than the oldest headers that this is built with.
constexpr long kRequestPermission = 0x1023;
constexpr long kTileData = 18;

// One multiplication, in the child: nothing but instructions until the exit.
[[noreturn]] void try_tiles() {
  const rlimit none = {};
  ::setrlimit(RLIMIT_CORE, &none);
  for (const int number : {SIGILL, SIGSEGV, SIGBUS, SIGFPE}) ::signal(number, SIG_DFL);
  alignas(64) uint16_t ones[kTileHeight * kTileDepth];
  for (uint16_t& one : ones) one = 0x3f80;
  alignas(64) float sums[kTileHeight * kTileColumns];
  CpuTiles tiles(kTileHeight);
  tiles.clear<0>();
  tiles.load<4>(ones, kTileRowBytes);
  tiles.load<6>(ones, kTileRowBytes);
  tiles.multiply<0, 4, 6>();
  tiles.store<0>(sums, kTileRowBytes);
  bool is_right = true;
  for (const float sum : sums) is_right = is_right && sum == kTileDepth;
  ::_exit(is_right ? 0 : 1);
}

std::string problem_of_a_try() {
  const pid_t child = ::fork();
  if (child == 0) try_tiles();
  if (child < 0) return std::string("they could not be tried: ") + std::strerror(errno);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return std::string("they could not be tried: ") + std::strerror(errno);
  }
  if (WIFSIGNALED(status)) {
    return std::string("the CPU reports them and faults when they are used (") +
           ::strsignal(WTERMSIG(status)) + ")";
  }
  return WEXITSTATUS(status) == 0 ? "" : "the CPU reports them and multiplies wrongly";
}

std::string find_problem() {
  if (!cpu_has_amx()) return "the CPU has none for bfloat16";
  if (::syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) {
    return std::string("the system does not allow them: ") + std::strerror(errno);
  }
  return problem_of_a_try();
}

}  // namespace

bool cpu_has_amx() {
  constexpr unsigned kBfloat16 = 1U << 22, kTiles = 1U << 24;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBfloat16) != 0 && (d & kTiles) != 0;
}

std::string amx_problem() {
  static const std::string problem = find_problem();
  return problem;
}

bool may_use_amx() { return amx_problem().empty(); }

}  // namespace thoughtrank
