// `select`: winners and training rows anew from verdicts already paid for.
#pragma once

#include <cstdint>
#include <filesystem>

#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

// Applies this config's rule to a round's verdicts and writes what it selects into `target`, which
// is no folder of the run: Error(kConfig). Returns how many prompts have which status.
Json select_again(const RunConfig& config, int64_t round, const std::filesystem::path& target);

}  // namespace thoughtrank
