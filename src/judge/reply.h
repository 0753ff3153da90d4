// Reads what a judge wrote. A reply either ranks exactly the labels that were sent, each once, or
// it is an Abstention with a reason; nothing in between, nothing repaired, nothing filled in.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace thoughtrank {

// A judgement that did not happen. It is never a rank, a tie or a zero.
struct Abstention {
  std::string reason;
};

using LabelRanking = std::vector<std::string>;  // best first
using Verdict = std::variant<LabelRanking, Abstention>;

// The text of the message (not the HTTP body). A thinking preamble "<think>…</think>", a code fence
// and prose around exactly one JSON object with the key "ranking" are accepted.
[[nodiscard]] Verdict read_ranking(std::string_view text, const std::vector<std::string>& labels);

}  // namespace thoughtrank
