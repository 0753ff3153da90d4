// The judge's API key, from the environment or a private file.
#pragma once

#include <memory>

#include "thoughtrank/core/secret.h"
#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

// An empty Secret where no key is configured. Error(kCredentials) when the variable that
// judge.api_key_env names is not set. Reading takes the variable out of the environment, so it is
// kept for the next judge of this process.
[[nodiscard]] std::shared_ptr<const Secret> judge_key(const JudgeOptions& options);

}  // namespace thoughtrank
