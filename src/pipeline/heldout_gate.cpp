#include "pipeline/heldout_gate.h"

#include <algorithm>

#include "thoughtrank/core/files.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

namespace {

std::vector<std::string> heldout_answers(const Session& session) {
  const auto& prompts = session.prompts.holdout;
  std::vector<std::string> answers;
  for (const PromptRow& prompt : prompts) answers.push_back(prompt.answer);
  const bool all_answered = std::none_of(
      answers.begin(), answers.end(), [](const std::string& answer) { return answer.empty(); });
  if (all_answered) return answers;
  const fs::path anchors = session.folder.file(0, "eval.jsonl");
  if (!fs::exists(anchors)) {
    fail(ExitCode::kMissingInput,
         "train.max_heldout_worse needs {}, because not every held-out prompt has an 'answer'. "
         "`thoughtrank run` makes it",
         anchors.string());
  }
  answers.clear();
  for (const EvalRow& row : read_rows<EvalRow>(anchors)) answers.push_back(row.answer);
  return answers;
}

// Prompt and answer, cut at the model's context; loss on the answer.
std::vector<TrainingRow> heldout_rows(const Session& session) {
  const std::vector<std::string> answers = heldout_answers(session);
  std::vector<TrainingRow> rows;
  for (size_t n = 0; n < answers.size(); ++n) {
    const PromptRow& prompt = session.prompts.holdout.at(n);
    TrainingRow row;
    row.prompt_id = prompt.prompt_id;
    row.input_ids = prompt.token_ids;
    const TokenIds answer = session.texts.tokenizer->encode(answers[n]);
    row.input_ids.insert(row.input_ids.end(), answer.begin(), answer.end());
    const auto longest = static_cast<size_t>(session.texts.model.max_position_embeddings);
    row.input_ids.resize(std::min(row.input_ids.size(), longest));
    const int64_t begin = std::ssize(prompt.token_ids), end = std::ssize(row.input_ids);
    if (begin >= end) continue;
    row.spans = {{.from = begin, .to = end, .weight = 1}};
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::optional<double> measure_heldout(const Session& session, const Llama& model) {
  if (!session.config.train.max_heldout_worse) return std::nullopt;
  const std::vector<TrainingRow> rows = heldout_rows(session);
  if (rows.empty()) return std::nullopt;
  size_t longest = 0;
  for (const TrainingRow& row : rows) longest = std::max(longest, row.input_ids.size());
  return mean_loss(model, rows, static_cast<int64_t>(longest));
}

void require_heldout_kept(const Session& session,
                          int64_t round,
                          const std::optional<double>& before,
                          const std::optional<double>& after) {
  if (!before || !after) return;
  const double allowed = *before * (1 + *session.config.train.max_heldout_worse);
  if (*after <= allowed) return;  // false for a loss that is not a number
  fail(ExitCode::kTrainingHealth,
       "round {}: training raised the held-out loss from {:.4f} to {:.4f}; "
       "train.max_heldout_worse allows {:.4f}. No checkpoint is made; round {} stays the newest. "
       "Lower train.learning_rate or train.epochs in a new run, or look at the round's winners",
       round,
       *before,
       *after,
       allowed,
       round - 1);
}

}  // namespace thoughtrank
