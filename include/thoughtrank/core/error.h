// Errors that end the work. Throw an Error with the exit code of the program and one message that
// says what was expected, what was found, where, and what to do. main() has the only catch that
// prints it. Failures that are expected (a judge call, a branch) are values, not Errors.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace thoughtrank {

// The exit codes of the program; the README documents them.
enum class ExitCode : int {
  kDone = 0,
  kUsage = 64,           // wrong command line
  kBadData = 65,         // damaged or invalid input data
  kMissingInput = 66,    // an input file or folder is missing
  kJudge = 69,           // judge unavailable, untrusted, or unable to tell answers apart
  kInternal = 70,        // internal error, host out of memory
  kLocked = 73,          // run folder locked by another process
  kIo = 74,              // I/O error or disk full
  kStopped = 75,         // stopped by a signal other than Ctrl-C; run again to resume
  kCredentials = 77,     // credentials refused
  kConfig = 78,          // config, drift, unsupported device
  kSpendingCap = 80,     // spending cap reached
  kTrainingHealth = 81,  // training health stop
  kDevice = 82,          // device fault, device out of memory at the smallest size
  kInterrupted = 130,    // Ctrl-C
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
