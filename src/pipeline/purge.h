// Old checkpoints lose their weight files; everything else of a round stays.
#pragma once

#include <cstdint>

#include "pipeline/session.h"

namespace thoughtrank {

// After the checkpoint of `newest_round` is published: removes the weight files of the evaluated
// checkpoints older than the checkpoint.keep newest ones, if these are whole. What a kill left of
// an earlier purge is removed, too.
void purge_checkpoints(Session& session, int64_t newest_round);

}  // namespace thoughtrank
