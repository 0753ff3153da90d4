// Files of training rows from outside a run, ready to be trained on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

// Reads the rows; those of texts are encoded by the template, thoughts in the config's tags.
// Error(kBadData) as read_training_file() says.
[[nodiscard]] std::vector<TrainingRow> read_training_rows(const std::filesystem::path& file,
                                                          const RunConfig& config,
                                                          const ModelTexts& texts);

// The rows of train.replay.path, each fit to be trained on; none without a path.
[[nodiscard]] std::vector<TrainingRow> read_replay(const RunConfig& config,
                                                   const ModelTexts& texts);

// Adds the round's share of `replay` to its own rows and returns the digest of what was added; ""
// when nothing was.
[[nodiscard]] std::string replay_rows(std::vector<TrainingRow>& rows,
                                      const std::vector<TrainingRow>& replay,
                                      const RunConfig& config,
                                      int64_t round);

}  // namespace thoughtrank
