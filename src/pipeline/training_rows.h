// Files of training rows from outside a run, ready to be trained on.
#pragma once

#include <filesystem>
#include <vector>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

// Reads the rows; those of texts are encoded by the template, thoughts in the config's tags.
// Error(kBadData) as read_training_file() says.
[[nodiscard]] std::vector<TrainingRow> read_training_rows(const std::filesystem::path& file,
                                                          const RunConfig& config,
                                                          const ModelTexts& texts);

}  // namespace thoughtrank
