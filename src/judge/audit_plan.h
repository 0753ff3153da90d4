// The few extra calls of a round that test its judge: sets of pass A shown a second time, and sets
// with two planted answers, a duplicate and nonsense. Which prompts carry them depends on nothing
// but their order. Their rankings join the fit; the planted answers are no candidates, so they can
// neither win nor be trained on.
#pragma once

#include <cstddef>
#include <cstdint>

#include "judge/request_text.h"

namespace thoughtrank {

inline constexpr double kAuditShare = 0.02;  // share of repeats among the calls; as many planted
inline constexpr size_t kLeastPlanted = 4;   // answers of a set with planted ones, at least
inline constexpr int64_t kFirstAuditCall = 10000;  // calls of the scheme have lower numbers

// Branches of planted answers in a verdict row.
inline constexpr int64_t kPlantedDuplicate = -2;  // of the lowest branch shown
inline constexpr int64_t kPlantedNonsense = -3;

// Returns how many repeats (and how many planted sets) a judge gets for so many calls of the
// scheme.
[[nodiscard]] int64_t audit_calls(int64_t scheme_calls);

// Is true for `calls` of `prompts` prompts, evenly spread.
[[nodiscard]] bool carries_audit(size_t prompt, size_t prompts, int64_t calls);

// Returns the set of `call` with the planted answers, at most `group_size` answers (but at least 4)
// within `max_tokens`.
[[nodiscard]] RankCall planted_call(RankCall call, size_t group_size, int64_t max_tokens);

}  // namespace thoughtrank
