// What asking a model can end with, where an exit code alone does not say enough.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

// A kJudge that no waiting mends: the server's certificate is not trusted.
class UntrustedServer : public Error {
 public:
  explicit UntrustedServer(const std::string& message) : Error(ExitCode::kJudge, message) {}
};

// Ends the work although nothing failed: the calls that are left stand in a batch file.
class BatchWritten : public std::exception {
 public:
  // `exported_before` of the `calls` stood in an earlier file and have no result so far.
  BatchWritten(int64_t calls, int64_t exported_before)
      : calls_(calls),
        exported_before_(exported_before),
        message_(fmt::format("{} calls are in the batch file", calls)) {}
  [[nodiscard]] int64_t calls() const { return calls_; }
  [[nodiscard]] int64_t exported_before() const { return exported_before_; }
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

 private:
  int64_t calls_;
  int64_t exported_before_;
  std::string message_;
};

}  // namespace thoughtrank
