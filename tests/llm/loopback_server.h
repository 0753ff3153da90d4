// A small HTTP server on 127.0.0.1 for tests: each request is logged and answered with whatever
// bytes the handler returns, well-formed or not.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace thoughtrank {

struct SeenRequest {
  std::string head;  // request line and headers
  std::string body;
};

class LoopbackServer {
 public:
  // Raw bytes to send, then the connection is closed. Called by several threads at once.
  using Handler = std::function<std::string(const SeenRequest& request)>;
  // Writes to the connection what and when it likes.
  using Wire = std::function<void(int fd, const SeenRequest& request)>;
  explicit LoopbackServer(Handler handler);
  explicit LoopbackServer(Wire wire);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  [[nodiscard]] std::string base_url() const;  // "http://127.0.0.1:port/v1"
  [[nodiscard]] std::vector<SeenRequest> seen() const;
  [[nodiscard]] size_t count() const { return seen().size(); }

 private:
  void accept_all();
  void serve(int fd);

  Wire wire_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<SeenRequest> seen_;
  std::atomic<bool> is_stopping_{false};
  std::list<std::thread> connections_;
  std::thread acceptor_;
};

void send_all(int fd, const std::string& bytes);  // stops quietly when the peer is gone

// A complete HTTP response.
[[nodiscard]] std::string http_response(int status,
                                        const std::string& body,
                                        const std::string& headers = "");

// The answers that a chat request shows: (label, answer) in their order.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> shown_answers(
    const SeenRequest& request);

// A chat completion with this text.
[[nodiscard]] std::string chat_response(const std::string& text,
                                        const std::string& finish_reason = "stop",
                                        int64_t output_tokens = 20);

// Ranks by falling taste(answer).
[[nodiscard]] LoopbackServer::Handler ranks_by(std::function<double(const std::string&)> taste);

}  // namespace thoughtrank
