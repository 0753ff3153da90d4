// The manual page, in roff's man macros: commands and options from the CLI11 tree, keys from
// visit(), exit codes from their table, topics from the texts.
#pragma once

#include <string>

#include "app/command_tree.h"
#include "app/settings.h"

namespace thoughtrank {

[[nodiscard]] std::string manual_page(const CommandInfo& program,
                                      const std::vector<Setting>& settings);

}  // namespace thoughtrank
