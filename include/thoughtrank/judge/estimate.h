// What judging a run asks for and costs, for `plan`. The worst case is an upper bound: it takes the
// bytes of the largest request from the code that writes requests, lets every answer be as long as
// it may and every call go wrong as often as it may. What a run asks for again after an
// interruption, or while its judge is down, is not in it.
#pragma once

#include <cstdint>
#include <string_view>

#include "thoughtrank/data/records.h"
#include "thoughtrank/judge/options.h"

namespace thoughtrank {

// Returns the bytes that `text` takes at most inside a JSON string, whatever stands beside it:
// control bytes become \u00xx, and each byte that is no UTF-8 by itself may become a U+FFFD.
[[nodiscard]] int64_t worst_json_bytes(std::string_view text);

// How long the questions are that one kind of call asks.
class QuestionSizes {
 public:
  // `times`: how often the question is asked.
  void add(const PromptRow& question, int64_t times = 1);
  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] const PromptRow& longest() const { return longest_; }
  [[nodiscard]] double mean_json_bytes() const;
  [[nodiscard]] int64_t longest_json_bytes() const { return longest_bytes_; }
  // Of the question that leaves least room for answers, which need not be the longest in JSON.
  [[nodiscard]] int64_t most_tokens() const { return most_tokens_; }

 private:
  int64_t count_ = 0;
  int64_t bytes_ = 0;
  int64_t longest_bytes_ = 0;
  int64_t most_tokens_ = 0;
  PromptRow longest_;
};

struct JudgingSize {
  QuestionSizes questions = {};   // prompts of all rounds
  QuestionSizes heldout = {};     // held-out prompts, as often as they are judged
  int64_t branches = 0;           // answers to each of the questions
  int64_t answer_tokens = 0;      // bound of one answer
  int64_t heldout_tokens = 0;     // bound of a held-out answer, which may be a direct one
  int64_t token_json_bytes = 64;  // worst_json_bytes() of the longest token
};

struct JudgeEstimate {
  int64_t calls = 0;
  int64_t answer_reads = 0;
  double usd_expected = 0;
  double usd_worst = 0;
  int64_t bytes_worst = 0;  // bytes of all request bodies
};
// Error(kConfig | kMissingInput) for a price or a rubric that is not known.
[[nodiscard]] JudgeEstimate estimate_judging(const JudgeOptions& options, const JudgingSize& size);

}  // namespace thoughtrank
