// From ranked outputs to training rows, token in, token out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/data/training_file.h"
#include "thoughtrank/model/config.h"
#include "thoughtrank/text/chat_template.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

// The tags around a thought, for the rows' texts; the ids hold them already.
struct ThoughtTags {
  std::string open = "<thought>";
  std::string close = "</thought>";
};

// Returns a worked example as an earlier turn: its reply is the thought in tags, if there is one,
// and the answer.
[[nodiscard]] ChatTurn turn_of(ExampleRow example, const ThoughtTags& tags = {});

// Makes the row of one winning branch: prompt ids + generated ids, spans for thought and answer
// with their weights. Head and close tag are part of the thought, and so is a closing token that
// the answer shares; with `thought_prefix` only the first N tokens of the thought, head included,
// have a loss. Spans of weight 0 are left out.
[[nodiscard]] TrainingRow make_training_row(const PromptRow& prompt,
                                            const OutputRow& output,
                                            const TrainOptions& options,
                                            const ThoughtTags& tags = {});

[[nodiscard]] PreferencePairRow make_preference_pair(const PromptRow& prompt,
                                                     const OutputRow& chosen,
                                                     const OutputRow& rejected,
                                                     double utility_gap,
                                                     const TrainOptions& options,
                                                     const ThoughtTags& tags = {});

// Returns a row of texts with input_ids and spans: system, earlier turns and prompt through the
// template, the completion as ordinary text, then the template's first stop token; loss on all
// after the prompt. A row that has token ids is returned as it is.
[[nodiscard]] TrainingRow encode_training_row(TrainingFileRow row,
                                              const ChatTemplate& chat_template,
                                              const Tokenizer& tokenizer,
                                              const ThoughtTags& tags = {});

// Adds rows of `replay` to the round's own until theirs are `share` of all tokens, with the last
// one perhaps more: in an order that follows from seed and round, each row once before any comes
// again. Rows have input_ids.
void add_replayed_rows(std::vector<TrainingRow>& rows,
                       const std::vector<TrainingRow>& replay,
                       double share,
                       uint64_t seed,
                       int64_t round);

// Error(kBadData) naming the prompt id unless every row has at least two and at most
// `sequence_length` tokens, ids of the model's vocabulary, spans in order and inside the row, at
// least one token with loss, and one without (the prompt).
void require_trainable(const std::vector<TrainingRow>& rows,
                       const LlamaConfig& config,
                       int64_t sequence_length);

}  // namespace thoughtrank
