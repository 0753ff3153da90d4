// Completions of the three shells, made from the tree of commands and the config's keys. The
// scripts stand in src/app/completion with the tables left open; here the tables are written.
#pragma once

#include <string>

#include "app/command_tree.h"
#include "app/settings.h"

namespace thoughtrank {

[[nodiscard]] std::string bash_completion(const CommandInfo& program,
                                          const std::vector<Setting>& settings);
[[nodiscard]] std::string zsh_completion(const CommandInfo& program,
                                         const std::vector<Setting>& settings);
[[nodiscard]] std::string fish_completion(const CommandInfo& program,
                                          const std::vector<Setting>& settings);

}  // namespace thoughtrank
