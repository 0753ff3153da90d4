// From ranked outputs to training rows, token in, token out.
#pragma once

#include <vector>

#include "thoughtrank/data/records.h"
#include "thoughtrank/text/chat_template.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

// The row of one winning branch: prompt ids + generated ids, spans for thought and answer with
// their weights.
[[nodiscard]] TrainingRow make_training_row(const PromptRow& prompt,
                                            const OutputRow& output,
                                            const TrainOptions& options);

[[nodiscard]] PreferencePairRow make_preference_pair(const PromptRow& prompt,
                                                     const OutputRow& chosen,
                                                     const OutputRow& rejected,
                                                     double utility_gap,
                                                     const TrainOptions& options);

// Fills input_ids and spans of a user's row that has texts only.
void encode_training_row(TrainingRow& row,
                         const ChatTemplate& chat_template,
                         const Tokenizer& tokenizer);

}  // namespace thoughtrank
