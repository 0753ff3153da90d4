// The stage of a verdict that a step of the tournament asks for.
#pragma once

#include "thoughtrank/core/error.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

[[nodiscard]] inline VerdictStage verdict_stage(TournamentStep step) {
  switch (step) {
    case TournamentStep::pass_a:
      return VerdictStage::pass_a;
    case TournamentStep::halve:
      return VerdictStage::halve;
    case TournamentStep::finals:
      return VerdictStage::finals;
  }
  fail(ExitCode::kInternal, "a step of the tournament without a stage");
}

}  // namespace thoughtrank
