// The answers of a prompt that are worth judging: trimmed, identical ones collapsed into one
// candidate with a multiplicity, hopeless ones dropped with their reason. Pure functions of text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

struct Candidate {
  int64_t branch = 0;  // the lowest branch that gave this answer: its name in verdicts and requests
  int64_t multiplicity = 1;
  std::string answer;  // trimmed
  // The branches whose thought may stand for the answer, ascending: those whose thought the model
  // closed and whose answer it ended, or all that gave the answer where none did both.
  std::vector<int64_t> branches = {};
};

struct Candidates {
  std::vector<Candidate> items;            // sorted by branch
  std::map<std::string, int64_t> dropped;  // reason -> branches
  std::vector<double> lengths = {};        // of the items, for length control; empty: none
};

// Cuts ASCII white space off both ends: " a\n  b " -> "a\n  b".
[[nodiscard]] std::string_view trimmed(std::string_view text);
// Makes the identity of an answer: " a\n  b " -> "a b".
[[nodiscard]] std::string collapsed(std::string_view text);

// Says why an answer is dropped (error, empty, truncated, loop, echo, bare); empty when it is to be
// judged.
[[nodiscard]] std::string drop_reason(const OutputRow& output,
                                      const std::string& prompt,
                                      const DropOptions& drop);

[[nodiscard]] Candidates collect_candidates(const JudgeTask& task, const DropOptions& drop);

// Counts characters, as a reader sees length.
[[nodiscard]] double length_of(const std::string& text);

// Returns the log length of each answer, less the mean, in deviations: mean 0 and deviation 1 over
// the items, or all 0 where the answers are equally long.
[[nodiscard]] std::vector<double> standard_lengths(const std::vector<Candidate>& items);

// Writes "loop 3, empty 1".
[[nodiscard]] std::string describe_dropped(const std::map<std::string, int64_t>& dropped);

}  // namespace thoughtrank
