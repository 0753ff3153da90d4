// Compares an answer with the prompt's reference answer. Pure functions.
#pragma once

#include <optional>
#include <string>

#include "thoughtrank/data/records.h"
#include "thoughtrank/judge/options.h"

namespace thoughtrank {

// The last number in the text: "so 3 * 14 = 1,042.50" -> 1042.5
[[nodiscard]] std::optional<double> last_number(const std::string& text);

// The label of an option that the text chooses: the first single letter or digit by itself that
// stands at the end, before one of .,:;) or a new line, or behind "answer is" or "answer:". "The
// answer is (B), a dog" -> "B"; nothing in "A dog".
[[nodiscard]] std::optional<std::string> chosen_label(const std::string& text);

// match: exact (equal after trimming and collapsing white space), numeric (the last numbers agree
// to 1e-6), choice (the answer's chosen_label() is the reference, in either case), regex
// (ECMAScript, found anywhere; polynomial time, so no back references).
[[nodiscard]] bool matches_reference(const std::string& answer,
                                     const std::string& reference,
                                     ReferenceMatch match);

}  // namespace thoughtrank
