#include "pipeline/training_rows.h"

#include <utility>

#include "thoughtrank/train/rows.h"

namespace thoughtrank {

std::vector<TrainingRow> read_training_rows(const std::filesystem::path& file,
                                            const RunConfig& config,
                                            const ModelTexts& texts) {
  const ThoughtTags tags = {.open = config.branches.open, .close = config.branches.close};
  std::vector<TrainingRow> rows;
  for (TrainingFileRow& row : read_training_file(file)) {
    rows.push_back(
        encode_training_row(std::move(row), texts.chat_template, *texts.tokenizer, tags));
  }
  return rows;
}

}  // namespace thoughtrank
