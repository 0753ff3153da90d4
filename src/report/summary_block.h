// summary.json as the lines of `status`.
#pragma once

#include <string>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// `where` names the file in errors.
[[nodiscard]] std::string format_summary(const Json& summary, const std::string& where);

}  // namespace thoughtrank
