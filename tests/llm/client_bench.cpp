// What the judge's client costs: calls against a server on loopback that takes its time. The server
// is a process of its own, so the CPU time is the client's, ledger and all.
//   llm_client_bench CALLS CONCURRENCY LATENCY_MS
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <vector>

#include "llm/client.h"
#include "llm/curl_transport.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

constexpr size_t kRequestBytes = 12000;  // eight answers of about 1,500 bytes

int listen_on_loopback(int& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, length) != 0 || ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, generic, &length) != 0) {
    fail(ExitCode::kIo, "cannot listen on loopback");
  }
  port = ntohs(address.sin_port);
  return listener;
}

std::string reply() {
  const std::string body =
      R"({"choices":[{"message":{"content":"{\"ranking\":[\"A\",\"B\"]}"},"finish_reason":"stop"}],)"
      R"("usage":{"prompt_tokens":3000,"completion_tokens":20}})";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// One thread: answers each whole request after `latency_s`, keeps connections open.
class SlowServer {
 public:
  SlowServer(int listener, double latency_s) : listener_(listener), latency_s_(latency_s) {}

  [[noreturn]] void run() {
    for (;;) {
      std::vector<pollfd> watched = {{listener_, POLLIN, 0}};
      for (const auto& [fd, bytes] : received_) watched.push_back({fd, POLLIN, 0});
      const double wait_s = due_.empty() ? 1 : std::max(0.0, due_.front().first - clock_.now_s());
      ::poll(watched.data(), watched.size(), static_cast<int>(wait_s * 1000));
      if (watched[0].revents != 0) received_[::accept(listener_, nullptr, nullptr)] = 0;
      for (size_t i = 1; i < watched.size(); ++i) {
        if (watched[i].revents != 0) read_from(watched[i].fd);
      }
      for (; !due_.empty() && due_.front().first <= clock_.now_s(); due_.pop_front()) {
        (void)::send(due_.front().second, reply_.data(), reply_.size(), MSG_NOSIGNAL);
      }
    }
  }

 private:
  void read_from(int fd) {
    char bytes[1 << 16];
    const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) {
      ::close(fd);
      received_.erase(fd);
      return;
    }
    size_t& received = received_[fd];
    received += static_cast<size_t>(n);
    if (received < kRequestBytes) return;  // head and body are a little more, and come together
    received = 0;
    due_.emplace_back(clock_.now_s() + latency_s_, fd);
  }

  int listener_;
  double latency_s_;
  SystemClock clock_;
  std::string reply_ = reply();
  std::map<int, size_t> received_;  // bytes of the request so far
  std::deque<std::pair<double, int>> due_;
};

double cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

Json measure(int port, int64_t calls, int64_t concurrency, double latency_s) {
  std::string folder = "/tmp/judge-client-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) fail(ExitCode::kIo, "cannot make {}", folder);
  SystemClock clock;
  const StopFlag stop;
  const Secret key;
  const ChatProtocol protocol{ServerOptions()};
  Ledger ledger(fs::path(folder) / "ledger.jsonl");
  const std::string base_url = "http://127.0.0.1:" + std::to_string(port) + "/v1";
  CurlTransport transport({.endpoint = server_endpoint(base_url, "/chat/completions", false)}, key);
  Client client({.concurrency = concurrency},
                CallAccounts({}, ledger, protocol),
                {.transport = transport, .key = key, .clock = clock, .stop = stop});
  const double started_s = clock.now_s(), started_cpu_s = cpu_s();
  for (int64_t n = 0; n < calls; ++n) {
    std::string body = std::to_string(n);
    body.resize(kRequestBytes, 'x');
    client.submit(static_cast<uint64_t>(n), std::move(body));
  }
  int64_t answered = 0;
  while (client.pending() > 0) {
    for (const Reply& reply : client.wait()) answered += reply.completion.failure.empty();
  }
  const double seconds = clock.now_s() - started_s, used_cpu_s = cpu_s() - started_cpu_s;
  fs::remove_all(folder);
  const double ideal_s = static_cast<double>(calls) / static_cast<double>(concurrency) * latency_s;
  return {{"calls", calls},
          {"answered", answered},
          {"concurrency", concurrency},
          {"latency_s", latency_s},
          {"seconds", seconds},
          {"share_of_ideal_rate", ideal_s / seconds},
          {"cpu_ms_per_call", 1000 * used_cpu_s / static_cast<double>(calls)}};
}

int run(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "llm_client_bench CALLS CONCURRENCY LATENCY_MS\n");
    return 64;
  }
  start_log(LogFormat::text, LogLevel::error);
  const double latency_s = std::atof(argv[3]) / 1000;
  int port = 0;
  const int listener = listen_on_loopback(port);
  const pid_t server = ::fork();
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    SlowServer(listener, latency_s).run();
  }
  ::close(listener);
  const Json result = measure(port, std::atoll(argv[1]), std::atoll(argv[2]), latency_s);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  std::printf("%s\n", dump_json(result).c_str());
  return 0;
}

}  // namespace
}  // namespace thoughtrank

int main(int argc, char** argv) { return thoughtrank::run(argc, argv); }
