// Results of a provider's batch file (one JSON object a line, in any order) as replies in the
// ledger.
#pragma once

#include <filesystem>

#include "judge/client.h"
#include "judge/protocol.h"

namespace thoughtrank {

// How many answers are new. Error(kBadData) for a line that is no result, and when none belongs to
// this run.
[[nodiscard]] int64_t read_batch_results(const std::filesystem::path& file,
                                         const Protocol& protocol,
                                         Client& client);

}  // namespace thoughtrank
