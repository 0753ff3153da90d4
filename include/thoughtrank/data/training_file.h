// Files of training rows that people give, to `train --data` and train.replay: rows of a run's
// training_data.jsonl, which have token ids, and rows of texts, which the chat template encodes
// (train/rows.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "thoughtrank/data/examples.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

struct TrainingFileRow {
  TrainingRow row;          // without input_ids: a row of texts
  std::string system = {};  // of a row of texts: "" = none
  // Of a row of texts: turns before the prompt, not trained on; a thought may be empty.
  std::vector<ExampleRow> earlier = {};
};

// Reads rows of three kinds, which a file may mix:
//   {"input_ids": …, "spans": …, …}                            every key of a TrainingRow
//   {"prompt": …, "completion": …, "system": …}                texts
//   {"messages": [system?, user, assistant, …, user, assistant]}  the last turn is trained
// Rows of texts may have "examples", a list of {"prompt", "thought", "answer"}: turns shown before
// those of the row; and "prompt_id" and "weight". A row without prompt_id is called by its place
// ("rows.jsonl:12"). Error(kBadData) naming file:line for unknown keys, conversations that do not
// end in an assistant's turn, empty texts; rows of other tools are named as such, with the command
// that converts them.
[[nodiscard]] std::vector<TrainingFileRow> read_training_file(const std::filesystem::path& path);

}  // namespace thoughtrank
