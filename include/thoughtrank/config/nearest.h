// Guesses what was meant by a word that is not known, for messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thoughtrank {

// Returns the candidate that was probably meant; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);
// Returns " (did you mean 'x'?)", or nothing for an empty guess.
[[nodiscard]] std::string did_you_mean(const std::string& guess);

}  // namespace thoughtrank
