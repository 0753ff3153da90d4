// The results of a provider's batch file: one JSON object a line, in any order. The requests went
// out through a channel with `batch_export`.
#pragma once

#include <filesystem>

#include "thoughtrank/llm/channel.h"

namespace thoughtrank {

// Imports the results into the ledger and returns how many replies are new. A reply to a call whose
// file was discarded is taken too. A result that was imported before changes nothing, nor does a
// failure in a discarded file where the same request is out in another one. Throws Error(kBadData)
// for a line that is no result, and when none belongs to this run.
[[nodiscard]] int64_t import_batch(const std::filesystem::path& file,
                                   const Connection& connection,
                                   const ChannelOptions& options,
                                   Ledger& ledger);

}  // namespace thoughtrank
