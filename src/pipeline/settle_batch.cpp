#include "pipeline/settle_batch.h"

#include "thoughtrank/core/log.h"

namespace thoughtrank {

void settle_batch(Session& session) {
  const BatchFiles& batch = session.options.batch;
  if (batch.from.empty() && !batch.is_discarded) return;
  const auto judge = open_judge(session, /*round=*/0);  // the ledger is one for all rounds
  if (!batch.from.empty()) (void)judge->import_batch(batch.from);
  if (batch.is_discarded) {
    log_info("judge: {} exported calls are given up", judge->discard_batch());
  }
}

}  // namespace thoughtrank
