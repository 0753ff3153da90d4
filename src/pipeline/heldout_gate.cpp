#include "pipeline/heldout_gate.h"

#include <algorithm>

#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

double HeldoutGate::measure(const Llama& model) const {
  size_t longest = 0;
  for (const TrainingRow& row : rows) longest = std::max(longest, row.input_ids.size());
  return mean_loss(model, rows, static_cast<int64_t>(longest));
}

void HeldoutGate::require_kept(double before, double after) const {
  const double allowed = before * (1 + max_worse);
  if (after <= allowed) return;  // false for a loss that is not a number
  fail(ExitCode::kTrainingHealth,
       "{}: training raised the held-out loss from {:.4f} to {:.4f}; "
       "train.max_heldout_worse allows {:.4f}. No checkpoint is made; {}",
       subject,
       before,
       after,
       allowed,
       advice);
}

std::vector<TrainingRow> heldout_rows(const ModelTexts& texts,
                                      const std::vector<PromptRow>& prompts,
                                      const std::vector<std::string>& answers) {
  const auto context = static_cast<size_t>(texts.model.max_position_embeddings);
  std::vector<TrainingRow> rows;
  for (size_t n = 0; n < answers.size(); ++n) {
    const PromptRow& prompt = prompts.at(n);
    TrainingRow row;
    row.prompt_id = prompt.prompt_id;
    row.input_ids = prompt.token_ids;
    const TokenIds answer = texts.tokenizer->encode(answers[n]);
    row.input_ids.insert(row.input_ids.end(), answer.begin(), answer.end());
    row.input_ids.resize(std::min(row.input_ids.size(), context));
    const int64_t begin = std::ssize(prompt.token_ids), end = std::ssize(row.input_ids);
    if (begin >= end) continue;
    row.spans = {{.from = begin, .to = end, .weight = 1}};
    rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<std::vector<std::string>> own_answers(const std::vector<PromptRow>& prompts) {
  std::vector<std::string> answers;
  for (const PromptRow& prompt : prompts) {
    if (prompt.answer.empty()) return std::nullopt;
    answers.push_back(prompt.answer);
  }
  return answers;
}

}  // namespace thoughtrank
