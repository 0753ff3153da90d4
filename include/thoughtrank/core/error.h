// Errors that end the work. Throw an Error with the exit code of the program and one message that
// says what was expected, what was found, where, and what to do. main() has the only catch that
// prints it. Failures that are expected (a judge call, a branch) are values, not Errors.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace thoughtrank {

// The exit codes of the program; exit_codes.h says what each means.
enum class ExitCode : int {
  kDone = 0,
  kUsage = 64,
  kBadData = 65,
  kMissingInput = 66,
  kJudge = 69,
  kInternal = 70,
  kLocked = 73,
  kIo = 74,
  kStopped = 75,
  kCredentials = 77,
  kConfig = 78,
  kSpendingCap = 80,
  kTrainingHealth = 81,
  kDevice = 82,
  kInterrupted = 130,
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// fail(ExitCode::kBadData, "{}: expected {}, found {}", path, a, b)
template <class... Args>
[[noreturn]] void fail(ExitCode code, fmt::format_string<Args...> message, Args&&... args) {
  throw Error(code, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace thoughtrank
