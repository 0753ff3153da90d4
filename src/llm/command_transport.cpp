#include "llm/command_transport.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

void check(bool is_good, const char* operation) {
  if (!is_good) fail(ExitCode::kIo, "judge.command: {}: {}", operation, std::strerror(errno));
}

// An anonymous file that holds `body`, at its start: a child can read it at its own pace.
Descriptor file_with(const std::string& body) {
  Descriptor file(::memfd_create("judge request", MFD_CLOEXEC));
  check(file.fd() >= 0, "memfd_create");
  for (size_t at = 0; at < body.size();) {
    const ssize_t n = ::write(file.fd(), body.data() + at, body.size() - at);
    check(n > 0 || errno == EINTR, "write");
    if (n > 0) at += static_cast<size_t>(n);
  }
  check(::lseek(file.fd(), 0, SEEK_SET) == 0, "lseek");
  return file;
}

bool is_executable(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path);
}

// As posix_spawnp looks for it.
bool is_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return is_executable(name);
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/bin:/usr/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (is_executable((folder.empty() ? "." : folder) + "/" + name)) return true;
  }
  return false;
}

// Starts the program in a process group of its own.
pid_t spawn(const std::vector<std::string>& command, int stdin_fd, int stdout_fd) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, stdin_fd, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, stdout_fd, STDOUT_FILENO);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    fail(ExitCode::kConfig,
         "judge.command: cannot start '{}': {}. Is it installed and executable?",
         command[0],
         std::strerror(error));
  }
  return pid;
}

}  // namespace

struct CommandTransport::Child {
  uint64_t ticket = 0;
  pid_t pid = -1;
  Descriptor exit;    // a pidfd: readable once the program has ended
  Descriptor output;  // non-blocking
  double deadline_s = 0;
  TransportReply reply;
  bool is_reaped = false;

  ~Child() {
    if (!is_reaped) reap(/*kill_first=*/true);
  }

  int reap(bool kill_first) {
    if (kill_first) ::kill(-pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    is_reaped = true;
    return status;
  }

  void read_output() {
    char buffer[1 << 16];
    for (;;) {
      const ssize_t n = ::read(output.fd(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n == 0) output = Descriptor();  // its end: nothing more to poll for
      if (n <= 0) return;
      reply.body.append(buffer, static_cast<size_t>(n));
      if (reply.body.size() > kMostBodyBytes) return give_up(TransportFailure::too_large);
    }
  }

  void give_up(TransportFailure failure) {
    reply.failure = failure;
    reply.detail = failure == TransportFailure::timeout ? "no reply in time" : "too much output";
    (void)reap(/*kill_first=*/true);
  }

  void finish() {
    read_output();
    if (is_reaped) return;
    const int status = reap(/*kill_first=*/false);
    reply.status = 200;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    reply.failure = TransportFailure::program;
    reply.detail = WIFEXITED(status) ? fmt::format("exit status {}", WEXITSTATUS(status))
                                     : fmt::format("ended by signal {}", WTERMSIG(status));
  }
};

CommandTransport::CommandTransport(std::vector<std::string> command, double timeout_s)
    : command_(std::move(command)), timeout_s_(timeout_s) {
  if (is_program(command_.at(0))) return;
  fail(ExitCode::kConfig,
       "judge.command: there is no program '{}'{}. Is it installed and executable?",
       command_[0],
       command_[0].find('/') == std::string::npos ? " in the PATH" : "");
}

CommandTransport::~CommandTransport() = default;

void CommandTransport::start(uint64_t ticket, std::string body) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Descriptor read_end(ends[0]);
  const Descriptor write_end(ends[1]);
  check(::fcntl(read_end.fd(), F_SETFL, O_NONBLOCK) == 0, "fcntl");
  const Descriptor input = file_with(body);
  auto child = std::make_unique<Child>();
  child->ticket = ticket;
  child->is_reaped = true;  // nothing to reap if the start fails
  child->pid = spawn(command_, input.fd(), write_end.fd());
  child->is_reaped = false;
  child->exit = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child->pid, 0)));
  check(child->exit.fd() >= 0, "pidfd_open");
  child->output = std::move(read_end);
  child->deadline_s = clock_.now_s() + timeout_s_;
  children_.push_back(std::move(child));
}

std::vector<FinishedTransfer> CommandTransport::wait(double timeout_s) {
  std::vector<pollfd> watched;
  double soonest = clock_.now_s() + timeout_s;
  for (const auto& child : children_) {
    watched.push_back({child->exit.fd(), POLLIN, 0});
    watched.push_back({child->output.fd(), POLLIN, 0});  // −1 is skipped by poll
    soonest = std::min(soonest, child->deadline_s);
  }
  const double patience_s = std::max(0.0, soonest - clock_.now_s());
  ::poll(watched.data(), watched.size(), static_cast<int>(patience_s * 1000) + 1);
  std::vector<FinishedTransfer> finished;
  std::vector<std::unique_ptr<Child>> left;
  for (size_t i = 0; i < children_.size(); ++i) {
    Child& child = *children_[i];
    if (watched[2 * i + 1].revents != 0) child.read_output();
    if (!child.is_reaped && watched[2 * i].revents != 0) child.finish();
    if (!child.is_reaped && clock_.now_s() >= child.deadline_s) {
      child.give_up(TransportFailure::timeout);
    }
    if (child.is_reaped) {
      finished.push_back({child.ticket, std::move(child.reply)});
    } else {
      left.push_back(std::move(children_[i]));
    }
  }
  children_ = std::move(left);
  return finished;
}

}  // namespace thoughtrank
