// Which stages are finished: what is published must be there and be what the journal says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/session.h"

namespace thoughtrank {

// The files whose digests a stage's journal record holds, in the order in which they are published.
// A checkpoint has its own digests, in its manifest.
[[nodiscard]] std::vector<RoundFile> published_files(Stage stage);

// True when the journal says so and the stage's published files are what it says. Error(kBadData)
// for a file that was changed or removed; a finished training whose checkpoint is damaged is not
// finished.
[[nodiscard]] bool is_finished(Session& session, int64_t round, Stage stage);

// True when round-NN/checkpoint verifies against its manifest; a damaged one is moved aside,
// reported, never used.
[[nodiscard]] bool has_good_checkpoint(Session& session, int64_t round);

}  // namespace thoughtrank
