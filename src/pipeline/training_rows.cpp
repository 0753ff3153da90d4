#include "pipeline/training_rows.h"

#include <utility>

#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/log.h"
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

std::vector<TrainingRow> read_replay(const RunConfig& config, const ModelTexts& texts) {
  if (config.train.replay.path.empty()) return {};
  std::vector<TrainingRow> rows = read_training_rows(config.train.replay.path, config, texts);
  require_trainable(rows, texts.model, config.train.sequence_length);
  return rows;
}

std::string replay_rows(std::vector<TrainingRow>& rows,
                        const std::vector<TrainingRow>& replay,
                        const RunConfig& config,
                        int64_t round) {
  if (replay.empty()) return "";
  const size_t own = rows.size();
  add_replayed_rows(
      rows, replay, config.train.replay.share, static_cast<uint64_t>(config.seed), round);
  if (rows.size() == own) return "";
  log_info("train: {} rows of {} beside {} of its own",
           rows.size() - own,
           config.train.replay.path,
           own);
  std::string lines;
  for (size_t n = own; n < rows.size(); ++n) lines += dump_json(to_json(rows[n])) + "\n";
  return sha256(lines);
}

}  // namespace thoughtrank
