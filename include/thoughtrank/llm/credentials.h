// A server's API key, from the environment or a private file.
#pragma once

#include <memory>

#include "thoughtrank/core/secret.h"
#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

// Returns an empty Secret where no key is configured. Error(kCredentials) when the variable that
// api_key_env names is not set. Reading takes the variable out of the environment, so the key is
// kept for the next connection of this process.
[[nodiscard]] std::shared_ptr<const Secret> server_key(const ServerOptions& options);

// Takes the key out of this process's environment, where whoever may look at the process could read
// it. server_key() finds it later; a key that is not there is that function's error.
void hide_server_key(const ServerOptions& options);

}  // namespace thoughtrank
