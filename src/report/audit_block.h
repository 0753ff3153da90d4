// audit.json of a round as a few lines for the shell.
#pragma once

#include <string>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// Every line ends with a newline. `where` names the file in errors.
[[nodiscard]] std::string format_audit(const Json& audit, const std::string& where);

}  // namespace thoughtrank
