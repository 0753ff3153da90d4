// Phrases that many winners share: a sign that rounds of training have found a formula that the
// judge likes. Pure.
#pragma once

#include <string>
#include <vector>

namespace thoughtrank {

struct Phrase {
  std::string words;
  double winners = 0;  // share of the winners that hold it
  double answers = 0;  // share of all answers that do
};

// The phrases of four words that most winners hold, the most common first, at most `most`; of
// those that overlap ("the answer is that", "answer is that it") only the most common.
[[nodiscard]] std::vector<Phrase> common_phrases(const std::vector<std::string>& winners,
                                                 const std::vector<std::string>& answers,
                                                 size_t most);

}  // namespace thoughtrank
