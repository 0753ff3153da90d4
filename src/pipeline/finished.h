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

// Is true when the journal says so and the stage's published files are what it says. Throws
// Error(kBadData) for a file that was changed or removed; a finished training whose checkpoint has
// a problem is not finished. Warns of other files in it that are not as they were.
[[nodiscard]] bool is_finished(const Session& session, int64_t round, Stage stage);

// Returns what keeps round-NN/checkpoint from being used: it is gone, or a file that a model is
// loaded from is not the published one. Nothing when there is no such problem.
[[nodiscard]] std::string checkpoint_problem(const Session& session, int64_t round);
[[nodiscard]] bool has_good_checkpoint(const Session& session, int64_t round);

// Moves a checkpoint with such a problem out of the way, so that its round can be trained again.
void set_damaged_checkpoint_aside(const Session& session, int64_t round);

// Throws Error(kBadData) where a run that has come to its end would train its last round again.
void require_wish_to_train_again(const Session& session, int64_t round);

}  // namespace thoughtrank
