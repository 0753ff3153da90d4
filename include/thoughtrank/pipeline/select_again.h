// `select`: winners and training rows anew from verdicts already paid for.
#pragma once

#include <cstdint>
#include <filesystem>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

// Applies this config's rule to a round's verdicts and writes what it selects into `target`, which
// is no folder of the run: Error(kConfig). Returns how many prompts have which status. With
// select.min_lift, winners that the round's thoughts.jsonl does not know are measured on the
// weights that generated the round; Error(kMissingInput) where those are gone.
Json select_again(const RunConfig& config,
                  int64_t round,
                  const std::filesystem::path& target,
                  Clock& clock,
                  const StopFlag& stop);

}  // namespace thoughtrank
