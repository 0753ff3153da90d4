#include "thoughtrank/train/rows.h"

#include <algorithm>
#include <utility>

#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

int64_t length(const TokenIds& ids) { return static_cast<int64_t>(ids.size()); }

TokenIds joined(const TokenIds& first, const TokenIds& second) {
  TokenIds ids = first;
  ids.insert(ids.end(), second.begin(), second.end());
  return ids;
}

// Spans of an output whose first token is input_ids[begin].
std::vector<Span> spans_of(const OutputRow& output, int64_t begin, const TrainOptions& options) {
  const int64_t end = begin + length(output.token_ids);
  const int64_t answer = begin + output.answer_start;
  const int64_t thought_end =
      options.thought_prefix > 0 ? std::min(answer, begin + options.thought_prefix) : answer;
  std::vector<Span> spans;
  for (const Span& span : {Span{begin, thought_end, options.weights.thought},
                           Span{answer, end, options.weights.answer}}) {
    if (span.from < span.to && span.weight > 0) spans.push_back(span);
  }
  return spans;
}

std::string text_of(const OutputRow& output, const ThoughtTags& tags) {
  return tags.open + output.thought + tags.close + output.answer;
}

}  // namespace

ChatTurn turn_of(ExampleRow example, const ThoughtTags& tags) {
  const std::string thought =
      example.thought.empty() ? "" : tags.open + example.thought + tags.close;
  return {.user = std::move(example.prompt), .assistant = thought + example.answer};
}

TrainingRow make_training_row(const PromptRow& prompt,
                              const OutputRow& output,
                              const TrainOptions& options,
                              const ThoughtTags& tags) {
  return {.prompt_id = prompt.prompt_id,
          .round = output.round,
          .branch = output.branch,
          .prompt = prompt.prompt,
          .completion = text_of(output, tags),
          .input_ids = joined(prompt.token_ids, output.token_ids),
          .spans = spans_of(output, length(prompt.token_ids), options),
          .weight = 1};
}

PreferencePairRow make_preference_pair(const PromptRow& prompt,
                                       const OutputRow& chosen,
                                       const OutputRow& rejected,
                                       double utility_gap,
                                       const TrainOptions& options,
                                       const ThoughtTags& tags) {
  const int64_t begin = length(prompt.token_ids);
  return {.prompt_id = prompt.prompt_id,
          .round = chosen.round,
          .prompt = prompt.prompt,
          .chosen = text_of(chosen, tags),
          .rejected = text_of(rejected, tags),
          .prompt_ids = prompt.token_ids,
          .chosen_ids = chosen.token_ids,
          .rejected_ids = rejected.token_ids,
          .chosen_spans = spans_of(chosen, begin, options),
          .rejected_spans = spans_of(rejected, begin, options),
          .utility_gap = utility_gap};
}

TrainingRow encode_training_row(TrainingFileRow given,
                                const ChatTemplate& chat_template,
                                const Tokenizer& tokenizer,
                                const ThoughtTags& tags) {
  TrainingRow row = std::move(given.row);
  if (!row.input_ids.empty()) return row;
  ChatPrompt chat = {.system = given.system, .user = row.prompt};
  for (ExampleRow& turn : given.earlier) chat.earlier.push_back(turn_of(std::move(turn), tags));
  const TokenIds prompt = encode_prompt(chat_template, tokenizer, chat);
  row.input_ids = joined(prompt, tokenizer.encode(row.completion));
  row.input_ids.push_back(stop_ids(chat_template, tokenizer).at(0));
  row.spans = {{.from = length(prompt), .to = length(row.input_ids), .weight = 1}};
  return row;
}

void add_replayed_rows(std::vector<TrainingRow>& rows,
                       const std::vector<TrainingRow>& replay,
                       double share,
                       uint64_t seed,
                       int64_t round) {
  double own = 0, replayed = 0;
  for (const TrainingRow& row : rows) own += static_cast<double>(row.input_ids.size());
  const double wanted = own * share / (1 - share);
  for (uint64_t pass = 0; replayed < wanted; ++pass) {
    std::vector<const TrainingRow*> order;
    for (const TrainingRow& row : replay) order.push_back(&row);
    RandomStream(seed, "replayed rows", {static_cast<uint64_t>(round), pass}).shuffle(order);
    for (const TrainingRow* row : order) {
      if (replayed >= wanted) break;
      rows.push_back(*row);
      replayed += static_cast<double>(row->input_ids.size());
    }
  }
}

}  // namespace thoughtrank
