#include "pipeline/winners.h"

#include "pipeline/select_rows.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

TokenIds part(const TokenIds& ids, int64_t from, int64_t to) {
  return {ids.begin() + from, ids.begin() + to};
}

void append(TokenIds& ids, const TokenIds& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

BranchParts parts_of(const OutputRow& output,
                     const Tokenizer& tokenizer,
                     const std::string& close_tag) {
  const auto wanted = std::ssize(close_tag) + output.answer_offset;
  int64_t closing = output.answer_start, bytes = 0;
  while (closing > 0 && bytes < wanted) {
    --closing;
    bytes += std::ssize(tokenizer.token_bytes(output.token_ids[static_cast<size_t>(closing)]));
  }
  return {.thought = part(output.token_ids, 0, closing),
          .closing = part(output.token_ids, closing, output.answer_start),
          .answer = part(output.token_ids, output.answer_start, std::ssize(output.token_ids))};
}

std::vector<Winner> trained_winners(const std::vector<JudgeTask>& tasks,
                                    const std::vector<BestOutputRow>& best) {
  std::vector<Winner> winners;
  for (size_t t = 0; t < tasks.size(); ++t) {
    if (best[t].status != SelectionStatus::trained) continue;
    const OutputRow& output = output_of(tasks[t], best[t].winner);
    if (output.answer_start == std::ssize(output.token_ids)) continue;
    winners.push_back({.task = &tasks[t], .output = &output});
  }
  return winners;
}

const OutputRow* other_winner(const std::vector<Winner>& winners, size_t n, int64_t seed) {
  if (winners.size() < 2) return nullptr;
  const OutputRow& output = *winners[n].output;
  RandomStream random(static_cast<uint64_t>(seed),
                      "thought of another prompt",
                      {static_cast<uint64_t>(output.round), stable_hash(output.prompt_id)});
  const size_t step = 1 + random.below(winners.size() - 1);
  for (size_t k = 0; k < winners.size(); ++k) {
    const OutputRow* other = winners[(n + step + k) % winners.size()].output;
    if (other->prompt_id != output.prompt_id) return other;
  }
  return nullptr;
}

OutputRow with_thought_of(const OutputRow& other,
                          const OutputRow& output,
                          const Tokenizer& tokenizer,
                          const std::string& close_tag) {
  const BranchParts own = parts_of(output, tokenizer, close_tag);
  OutputRow made = output;
  made.thought = other.thought;
  made.char_ = other.char_;
  made.head_len = other.head_len;
  made.token_ids = parts_of(other, tokenizer, close_tag).thought;
  append(made.token_ids, own.closing);
  made.answer_start = std::ssize(made.token_ids);
  append(made.token_ids, own.answer);
  return made;
}

}  // namespace thoughtrank
