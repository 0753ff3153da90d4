// The results of a provider's batch file: one JSON object a line, in any order. The requests went
// out through a channel with `batch_export`.
#pragma once

#include <filesystem>

#include "thoughtrank/llm/channel.h"

namespace thoughtrank {

// Imports the results into the ledger and returns how many replies are new. A reply to a request
// whose file was discarded is taken too; replies that the ledger knows and requests that it does
// not know change nothing; nor do failures of a file of the same bytes as an earlier one, since
// another batch may be out by now. Error(kBadData) for a line that is no result, and when none
// belongs to this run.
[[nodiscard]] int64_t import_batch(const std::filesystem::path& file,
                                   const Connection& connection,
                                   const ChannelOptions& options,
                                   Ledger& ledger);

}  // namespace thoughtrank
