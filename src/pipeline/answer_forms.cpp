#include "pipeline/answer_forms.h"

#include <algorithm>
#include <map>

#include "pipeline/shown_prompts.h"

namespace thoughtrank {
namespace {

bool has_examples(AnswerForm form) {
  return form == AnswerForm::direct_with_examples || form == AnswerForm::thought_with_examples;
}

// Of a ranking judge: the direct form stands at one half, as against itself.
double value_of(const FormRow& row, bool is_ranked, double worst) {
  if (is_ranked) return row.form == AnswerForm::direct ? 0.5 : row.win.value_or(0.5);
  return row.score.value_or(worst);
}

}  // namespace

std::vector<AnswerForm> answer_forms(const RunConfig& config) {
  std::vector<AnswerForm> forms = {AnswerForm::direct, AnswerForm::thought};
  const ExampleOptions& examples = config.prompts.examples;
  if (!examples.path.empty() && !examples.train) {
    forms.push_back(AnswerForm::direct_with_examples);
    forms.push_back(AnswerForm::thought_with_examples);
  }
  return forms;
}

bool has_thought(AnswerForm form) {
  return form == AnswerForm::thought || form == AnswerForm::thought_with_examples;
}

std::vector<PromptRow> prompts_in_form(const Session& session, AnswerForm form) {
  if (!has_examples(form)) return session.prompts.holdout;
  return with_examples(
      session.prompts.holdout, load_examples(session.config, has_thought(form)), session.texts);
}

GenerateOptions budget_of(const RunConfig& config, AnswerForm form) {
  GenerateOptions budget = config.generate;
  if (!has_thought(form)) budget.answer_tokens += budget.thought_tokens;
  return budget;
}

AnswerForm best_form(const std::vector<FormRow>& rows) {
  const bool is_ranked =
      std::any_of(rows.begin(), rows.end(), [](const FormRow& row) { return row.win.has_value(); });
  double worst = 0;
  for (const FormRow& row : rows) worst = std::min(worst, row.score.value_or(0));
  std::map<AnswerForm, double> sums;  // each form has the same prompts
  for (const FormRow& row : rows) sums[row.form] += value_of(row, is_ranked, worst);
  AnswerForm best = AnswerForm::direct;
  for (const auto& [form, sum] : sums) {
    if (sum > sums[best]) best = form;
  }
  return best;
}

}  // namespace thoughtrank
