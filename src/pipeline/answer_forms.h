// The forms in which the untrained model answers the held-out prompts before round 1: directly and
// with a forced thought, without and with worked examples. A trained model is compared with the
// best of them: a weaker anchor would flatter it.
#pragma once

#include <string>
#include <vector>

#include "pipeline/session.h"
#include "thoughtrank/data/answer_form.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Returns the forms of a run, the direct one first; those with examples where it has some that are
// no part of every prompt anyway.
[[nodiscard]] std::vector<AnswerForm> answer_forms(const RunConfig& config);

[[nodiscard]] bool has_thought(AnswerForm form);

// Returns the held-out prompts as they are asked in this form. Before a direct answer the examples
// are shown without their thoughts.
[[nodiscard]] std::vector<PromptRow> prompts_in_form(const Session& session, AnswerForm form);

// Returns the budgets of tokens: a direct answer has the room of thought and answer together.
[[nodiscard]] GenerateOptions budget_of(const RunConfig& config, AnswerForm form);

// Returns the form with the highest mean score, or the highest win rate against the direct one; the
// earlier of equals. An answer without a score counts as the worst that there is.
[[nodiscard]] AnswerForm best_form(const std::vector<FormRow>& rows);

}  // namespace thoughtrank
