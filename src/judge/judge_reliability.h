// How one judge behaved in a round, from its verdict rows. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/rank/statistics.h"

namespace thoughtrank {

// Two rankings of one set, many times.
struct Comparison {
  Mean flips;  // 1 where another answer came first
  Mean tau;    // Kendall's
  void add(const VerdictRow& a, const VerdictRow& b);
};

struct JudgeReliability {
  int64_t calls = 0;
  int64_t abstained = 0;
  int64_t malformed = 0;  // abstained although it wrote something
  int64_t attempts = 0;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  double usd = 0;
  Mean position;        // correlation of place shown and place given; +1: the first shown wins
  Mean planted_errors;  // 1 where planted nonsense is in the better half
  Mean planted_wins;    // 1 where it comes first
  Mean duplicate_gap;   // 0: the duplicates are neighbours, 1: first and last
  Comparison repeats;

  void add(const VerdictRow& row);
  [[nodiscard]] double share(int64_t count) const;  // of the calls

 private:
  void add_planted(const VerdictRow& row);
};

// Rows of one judge and one round, in the order of their calls.
[[nodiscard]] JudgeReliability reliability_of(const std::vector<const VerdictRow*>& rows);

// How far each two judges agree on the sets that both have ranked in the same stage: a list of
// {"judges", "other_first", "kendall_tau"}.
[[nodiscard]] Json agreement(const std::map<std::string, std::vector<const VerdictRow*>>& rows);

}  // namespace thoughtrank
