#include "core/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <mutex>

#include "thoughtrank/core/utf8.h"
#include "thoughtrank/core/watchdog.h"

namespace thoughtrank {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[2K";

struct Terminal {
  std::mutex mutex;
  std::string status;
  bool allows_status = ::isatty(STDERR_FILENO) == 1;
};

Terminal& terminal() {
  static Terminal instance;
  return instance;
}

void put(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

std::string fit_width(const std::string& line) {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return line;
  const std::string_view head = std::string_view(line).substr(0, size.ws_col - 1u);
  return std::string(head.substr(0, complete_utf8_prefix(head)));
}

}  // namespace

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

void allow_status_line(bool allowed) {
  const std::lock_guard<std::mutex> guard(terminal().mutex);
  terminal().allows_status = allowed && stderr_is_terminal();
}

bool status_line_is_allowed() {
  const std::lock_guard<std::mutex> guard(terminal().mutex);
  return terminal().allows_status;
}

void print_line(std::string_view line) {
  const Unwatched waiting;  // a terminal that is held does not answer
  const std::lock_guard<std::mutex> guard(terminal().mutex);
  const std::string& status = terminal().status;
  if (status.empty()) return put(line);
  put(std::string(kClearLine).append(line).append(status));
}

void draw_status_line(const std::string& line) {
  const Unwatched waiting;
  const std::lock_guard<std::mutex> guard(terminal().mutex);
  terminal().status = fit_width(line);
  put(std::string(kClearLine) + terminal().status);
}

void end_status_line() {
  const Unwatched waiting;
  const std::lock_guard<std::mutex> guard(terminal().mutex);
  if (terminal().status.empty()) return;
  terminal().status.clear();
  put("\n");
}

}  // namespace thoughtrank
