// Answers that did not end by themselves: they were cut at the budget of their tokens, and whoever
// looks at what became of them should know.
#pragma once

#include <cstdint>
#include <string>

namespace thoughtrank {

// Is true where at least a fifth of the answers, and more than one, were cut.
[[nodiscard]] bool are_many_cut(int64_t cut, int64_t answers);

// Returns a sentence about a round's held-out answers where many were cut; else nothing.
[[nodiscard]] std::string heldout_cut_text(int64_t cut, int64_t answers, int64_t round);

}  // namespace thoughtrank
