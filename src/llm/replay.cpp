#include "llm/replay.h"

namespace thoughtrank {

void Replay::submit(uint64_t ticket, std::string body) {
  const Call call = accounts_.open(ticket, std::move(body));
  if (std::optional<Reply> known = accounts_.find_reply(call)) {
    ready_.push_back(std::move(*known));
    return;
  }
  const FailedAttempts* failure = accounts_.ledger().find_failure(call.request);
  if (failure == nullptr) {
    fail(ExitCode::kJudge,
         "judge.kind replay: request {} is not in the ledger. The config or the inputs differ from "
         "the run that was recorded",
         call.request);
  }
  ready_.push_back(accounts_.give_up_as_before(call, *failure));
}

}  // namespace thoughtrank
