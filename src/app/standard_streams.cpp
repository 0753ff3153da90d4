#include "app/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace thoughtrank {

void open_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // open() gives the lowest number that is free: this one, as those below are taken.
    if (::open("/dev/null", O_RDWR) != fd) std::abort();
  }
}

}  // namespace thoughtrank
