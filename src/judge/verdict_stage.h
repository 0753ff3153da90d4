// What a call was made for. In a verdict row the stage is a word, as it stands in the file.
#pragma once

#include <optional>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/rank/tournament.h"

namespace thoughtrank {

enum class VerdictStage : uint8_t {
  pass_a,
  halve,
  finals,
  repeat,     // a set of pass A shown a second time, for the audit
  planted,    // a set with planted answers, for the audit
  anchor,     // a held-out answer against its anchor
  test,       // judge-test; never in a file
  pointwise,  // scores, no call
};
inline constexpr EnumWords<VerdictStage, 8> kVerdictStages = {
    {{VerdictStage::pass_a, "pass_a"},
     {VerdictStage::halve, "halve"},
     {VerdictStage::finals, "finals"},
     {VerdictStage::repeat, "repeat"},
     {VerdictStage::planted, "planted"},
     {VerdictStage::anchor, "anchor"},
     {VerdictStage::test, "test"},
     {VerdictStage::pointwise, "pointwise"}}};

[[nodiscard]] inline bool is_of(const VerdictRow& row, VerdictStage stage) {
  return value_of(row.stage, kVerdictStages) == stage;
}

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
