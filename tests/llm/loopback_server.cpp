#include "llm/loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "thoughtrank/core/json.h"

namespace thoughtrank {
namespace {

size_t content_length(const std::string& head) {
  const size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 16, nullptr, 10);
}

// Reads one request; false when the peer is gone before it is whole.
bool read_request(int fd, SeenRequest& request) {
  std::string bytes;
  char buffer[1 << 14];
  size_t end = std::string::npos;
  while (end == std::string::npos || bytes.size() < end + 4 + content_length(request.head)) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    bytes.append(buffer, static_cast<size_t>(n));
    end = bytes.find("\r\n\r\n");
    if (end != std::string::npos) request.head = bytes.substr(0, end);
  }
  request.body = bytes.substr(end + 4);
  return true;
}

}  // namespace

void send_all(int fd, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

LoopbackServer::LoopbackServer(Handler handler)
    : LoopbackServer(Wire([handler = std::move(handler)](int fd, const SeenRequest& request) {
        send_all(fd, handler(request));
      })) {}

LoopbackServer::LoopbackServer(Wire wire) : wire_(std::move(wire)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, length) != 0 || ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, generic, &length) != 0) {
    throw std::runtime_error("loopback server: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

LoopbackServer::~LoopbackServer() {
  is_stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);  // wakes accept()
  acceptor_.join();
  ::close(listener_);
  for (std::thread& connection : connections_) connection.join();
}

std::string LoopbackServer::base_url() const {
  return "http://127.0.0.1:" + std::to_string(port_) + "/v1";
}

std::vector<SeenRequest> LoopbackServer::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void LoopbackServer::accept_all() {
  while (!is_stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    connections_.emplace_back([this, fd] { serve(fd); });
  }
}

void LoopbackServer::serve(int fd) {
  SeenRequest request;
  if (read_request(fd, request)) {
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(request);
    }
    wire_(fd, request);
  }
  ::shutdown(fd, SHUT_WR);
  ::close(fd);
}

std::string http_response(int status, const std::string& body, const std::string& headers) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
         "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

std::vector<std::pair<std::string, std::string>> shown_answers(const SeenRequest& request) {
  const Json body = parse_json(request.body, "request");
  const auto text = body["messages"].back()["content"].get<std::string>();
  std::vector<std::pair<std::string, std::string>> shown;
  for (size_t at = text.find("<answer "); at != std::string::npos; at = text.find("<answer ", at)) {
    const size_t name = at + 8;
    const size_t open_end = text.find(">\n", name);
    const std::string label_and_nonce = text.substr(name, open_end - name);
    const size_t close = text.find("\n</answer " + label_and_nonce + ">", open_end);
    shown.emplace_back(label_and_nonce.substr(0, label_and_nonce.find(' ')),
                       text.substr(open_end + 2, close - open_end - 2));
    at = close;
  }
  return shown;
}

std::string chat_response(const std::string& text,
                          const std::string& finish_reason,
                          int64_t output_tokens) {
  const Json message = {{"role", "assistant"}, {"content", text}};
  const Json choice = {{"index", 0}, {"message", message}, {"finish_reason", finish_reason}};
  return http_response(
      200,
      dump_json({{"id", "x"},
                 {"choices", Json::array({choice})},
                 {"usage", {{"prompt_tokens", 1000}, {"completion_tokens", output_tokens}}}}));
}

namespace {

// The most tokens that the request asks for.
int64_t limit_of(const SeenRequest& request) {
  const Json body = parse_json(request.body, "request");
  return body.value("max_tokens", body.value("max_completion_tokens", int64_t{20}));
}

}  // namespace

LoopbackServer::Handler ranks_by(std::function<double(const std::string&)> taste) {
  return [taste = std::move(taste)](const SeenRequest& request) {
    auto shown = shown_answers(request);
    std::stable_sort(shown.begin(), shown.end(), [&](const auto& a, const auto& b) {
      return taste(a.second) > taste(b.second);
    });
    Json labels = Json::array();
    for (const auto& [label, answer] : shown) labels.push_back(label);
    Json ranking;
    ranking["ranking"] = labels;
    return chat_response(dump_json(ranking), "stop", std::min<int64_t>(20, limit_of(request)));
  };
}

}  // namespace thoughtrank
