// The judging instructions: the built-in ones, or those of a file.
#pragma once

#include <string>

namespace thoughtrank {

[[nodiscard]] const std::string& default_rubric();

// Returns the text of the file, or the built-in rubric where `path` is empty. Error(kMissingInput |
// kConfig) for a file that is not there, empty or no UTF-8.
[[nodiscard]] std::string read_rubric(const std::string& path);

}  // namespace thoughtrank
