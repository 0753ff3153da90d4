// The one table of what the program's exit codes mean: `help exit-codes` and the manual page are
// made from it.
#pragma once

#include <vector>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

struct ExitCodeMeaning {
  ExitCode code;
  const char* meaning;
};

// Every code once, in rising order.
[[nodiscard]] const std::vector<ExitCodeMeaning>& exit_codes();

}  // namespace thoughtrank
