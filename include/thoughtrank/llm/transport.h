// Carries request bodies to a server and brings replies or failures back as values. One endpoint
// per transport: where it goes and what key it shows were settled when it was made. Used from one
// thread. Implementations: libcurl, a program, none (replay), scripted ones in tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/llm/rate_headers.h"

namespace thoughtrank {

enum class TransportFailure {
  none,
  unreachable,  // nothing was sent: name, connection refused
  untrusted,    // the server's certificate is not trusted
  timeout,
  broken,     // the connection ended early
  too_large,  // the reply is over the byte caps
  program,    // the program did not end with 0
};

struct TransportReply {
  TransportFailure failure = TransportFailure::none;
  std::string detail;        // what the failure was
  int status = 0;            // HTTP status; 200 for a program that ended with 0
  std::string content_type;  // empty where there is none
  double retry_after_s = 0;  // the wait that the server asks for, unclamped; 0: none
  RateHeaders rates = {};
  std::string body;
};

struct FinishedTransfer {
  uint64_t ticket = 0;
  TransportReply reply;
};

inline constexpr size_t kMostBodyBytes = 4 << 20;
inline constexpr size_t kMostHeaderBytes = 64 << 10;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual void start(uint64_t ticket, std::string body) = 0;
  // Returns what has finished since the last call; waits up to `timeout_s` for the first.
  [[nodiscard]] virtual std::vector<FinishedTransfer> wait(double timeout_s) = 0;
};

}  // namespace thoughtrank
