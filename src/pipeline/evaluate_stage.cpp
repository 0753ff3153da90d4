// After round N (and before the first, as round 0): one greedy generation per held-out prompt,
// compared with the anchor, the base model's own answer without a thought.
#include <algorithm>

#include "pipeline/anchors.h"
#include "pipeline/branch_store.h"
#include "pipeline/heldout_gate.h"
#include "pipeline/stages.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/cut_answers.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

namespace {

// The greedy generations of the round's weights, resumed from .work/.
std::vector<OutputRow> generate_heldout(Session& session,
                                        Decoder& decoder,
                                        BranchStore& store,
                                        const std::string& model_sha256,
                                        int64_t round) {
  const auto& prompts = session.prompts.holdout;
  Generator generator = make_generator(session, decoder, model_sha256, round);
  Progress progress({.stage = fmt::format("round {} evaluate", round),
                     .unit = "prompts",
                     .total = static_cast<int64_t>(prompts.size()),
                     .already_done = store.count(),
                     .rate_unit = "tok"},
                    session.clock);
  generator.generate_greedy(
      prompts,
      /*with_thought=*/round > 0,
      [&](size_t prompt) { return store.has(prompts[prompt].prompt_id, -1); },
      [&](size_t, OutputRow row) { store.add(std::move(row)); },
      session.stop,
      progress);
  progress.finish();
  std::vector<OutputRow> rows;
  for (const PromptRow& prompt : prompts) rows.push_back(store.rows_of(prompt.prompt_id).at(0));
  return rows;
}

EvalRow make_eval_row(const OutputRow& output, int64_t round) {
  EvalRow row;
  row.prompt_id = output.prompt_id;
  row.round = round;
  row.thought = output.thought;
  row.answer = output.answer;
  row.token_ids = output.token_ids;
  row.thought_tokens = output.answer_start;
  row.answer_tokens = static_cast<int64_t>(output.token_ids.size()) - output.answer_start;
  return row;
}

// Round 0 makes the anchors, which the others compare with.
std::vector<std::string> anchors_of(const Session& session,
                                    const std::vector<OutputRow>& outputs,
                                    int64_t round) {
  if (round > 0) return read_anchors(session);
  std::vector<std::string> anchors;
  for (const OutputRow& row : outputs) anchors.push_back(row.answer);
  return anchors;
}

// How many answers were cut, for whoever looks at their scores.
Json count_cut(const std::vector<OutputRow>& outputs, int64_t round) {
  const auto cut = std::count_if(outputs.begin(), outputs.end(), [](const OutputRow& row) {
    return row.finish == Finish::length;
  });
  const std::string text = heldout_cut_text(cut, std::ssize(outputs), round);
  if (!text.empty()) log_warning("{}", text);
  return {{"cut", cut}, {"answers", outputs.size()}};
}

// Scores or comparisons of the answers; an empty answer of a pointwise judge keeps a null score.
void judge_heldout(Session& session,
                   std::vector<EvalRow>& rows,
                   const std::vector<std::string>& anchors,
                   int64_t round) {
  const auto judge = open_judge(session, round);
  if (round == 0 && !judge->is_pointwise()) return;  // the anchors against themselves
  std::vector<EvalTask> tasks;
  std::vector<size_t> task_row;
  for (size_t n = 0; n < rows.size(); ++n) {
    if (judge->is_pointwise() && rows[n].answer.empty()) continue;
    task_row.push_back(n);
    tasks.push_back(
        {.prompt = session.prompts.holdout[n], .answer = rows[n].answer, .anchor = anchors.at(n)});
  }
  Progress progress({.stage = fmt::format("round {} score", round),
                     .unit = "prompts",
                     .total = static_cast<int64_t>(tasks.size()),
                     .already_done = 0,
                     .rate_unit = "answers"},
                    session.clock);
  const auto verdicts = judge->evaluate(tasks, progress);
  progress.finish();
  for (size_t k = 0; k < verdicts.size(); ++k) {
    rows[task_row[k]].score = verdicts[k].score;
    rows[task_row[k]].win = verdicts[k].win;
  }
}

}  // namespace

StageReport evaluate_stage(Session& session, int64_t round) {
  const fs::path model_folder = session.model_folder(round);
  const std::string model_sha256 = weights_sha256(model_folder);
  BranchStore store(session.folder.heldout(round), model_sha256);
  std::vector<EvalRow> rows;
  std::vector<std::string> anchors;
  StageReport report{.units = 0, .unit = "tokens"};
  {
    Decoder decoder =
        load_decoder(model_folder, session.compute, {.slots = session.config.generate.slots});
    const auto outputs = generate_heldout(session, decoder, store, model_sha256, round);
    anchors = anchors_of(session, outputs, round);
    report.facts = count_cut(outputs, round);
    // The loss of the same answers is followed over the rounds.
    const auto targets = own_answers(session.prompts.holdout).value_or(anchors);
    for (size_t n = 0; n < outputs.size(); ++n) {
      rows.push_back(make_eval_row(outputs[n], round));
      rows.back().heldout_loss =
          answer_loss(decoder, session.texts, session.prompts.holdout[n], targets[n]);
      report.units += static_cast<int64_t>(outputs[n].token_ids.size());
    }
  }  // the decoder's memory is free before a likelihood judge loads its own
  judge_heldout(session, rows, anchors, round);
  publish_rows(session.folder.file(round, RoundFile::eval), rows);
  return report;
}

}  // namespace thoughtrank
