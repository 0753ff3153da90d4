// What was exported to a batch file and came back, or never will.
#pragma once

#include "pipeline/session.h"

namespace thoughtrank {

// Takes the results of the session's batch.from into the ledger, or gives up what was exported;
// does nothing without either.
void settle_batch(Session& session);

}  // namespace thoughtrank
