#include "thoughtrank/core/exit_codes.h"

namespace thoughtrank {

const std::vector<ExitCodeMeaning>& exit_codes() {
  static const std::vector<ExitCodeMeaning> codes = {
      {ExitCode::kDone, "done; also where a batch file was written and calls are due"},
      {ExitCode::kUsage, "wrong command line"},
      {ExitCode::kBadData, "damaged or invalid input data"},
      {ExitCode::kMissingInput, "an input file or folder is missing"},
      {ExitCode::kJudge, "judge unavailable, untrusted, or unable to tell answers apart"},
      {ExitCode::kInternal, "internal error, or the host is out of memory"},
      {ExitCode::kLocked, "another process works in the run folder"},
      {ExitCode::kIo, "I/O error or disk full"},
      {ExitCode::kStopped, "stopped by a signal or limits.max_hours; run again to resume"},
      {ExitCode::kCredentials, "credentials missing or refused"},
      {ExitCode::kConfig, "config, changed config on resume, unsupported device"},
      {ExitCode::kSpendingCap, "spending cap reached, or the judge's account is empty"},
      {ExitCode::kTrainingHealth, "training was stopped for its health, or nothing to train on"},
      {ExitCode::kDevice, "device fault, or limits.hang_minutes without a sign of life"},
      {ExitCode::kInterrupted, "Ctrl-C; run again to resume"},
  };
  return codes;
}

}  // namespace thoughtrank
