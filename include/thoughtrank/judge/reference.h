// Compares an answer with the prompt's reference answer. Pure functions.
#pragma once

#include <optional>
#include <string>

#include "thoughtrank/data/records.h"
#include "thoughtrank/judge/options.h"

namespace thoughtrank {

// The last number in the text: "so 3 * 14 = 1,042.50" -> 1042.5; also ".5", "2e-3" and a minus as
// U+2212. The minus of "5-3" is none.
[[nodiscard]] std::optional<double> last_number(const std::string& text);

// The label of an option that the text chooses: the first single letter or digit by itself that is
// announced ("the answer is (B), a dog", "\boxed{B}"); else the first that stands at the end,
// before a mark or a new line, or opens the text ("B is correct"). Nothing in "A dog", "the answer
// is a mammal".
[[nodiscard]] std::optional<std::string> chosen_label(const std::string& text);

// match: exact (equal after trimming and collapsing white space), numeric (the last numbers agree
// to 1e-6), choice (the answer's chosen_label() is the reference, in either case), regex
// (ECMAScript, found anywhere; polynomial time, so no back references).
[[nodiscard]] bool matches_reference(const std::string& answer,
                                     const std::string& reference,
                                     ReferenceMatch match);

}  // namespace thoughtrank
