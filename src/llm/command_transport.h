// Runs a program per request, without a shell: the body on its stdin, the reply on its stdout, a
// process group that is killed when the time is up. Nothing of the request is in its arguments.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

class CommandTransport : public Transport {
 public:
  CommandTransport(std::vector<std::string> command, double timeout_s);
  ~CommandTransport() override;
  // Error(kConfig) when the program cannot be started.
  void start(uint64_t ticket, std::string body) override;
  [[nodiscard]] std::vector<FinishedTransfer> wait(double timeout_s) override;

 private:
  struct Child;
  std::vector<std::string> command_;
  double timeout_s_;
  SystemClock clock_;  // of the children, which live in real time
  std::vector<std::unique_ptr<Child>> children_;
};

}  // namespace thoughtrank
