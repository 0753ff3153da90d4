// After round N (and before the first, as round 0): one greedy generation per held-out prompt,
// compared with the anchor, the base model's own answer in its best form.
#include <algorithm>

#include "pipeline/anchors.h"
#include "pipeline/answer_forms.h"
#include "pipeline/branch_store.h"
#include "pipeline/drift.h"
#include "pipeline/heldout_gate.h"
#include "pipeline/stages.h"
#include "pipeline/tasks.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/cut_answers.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

namespace {

// One way in which the round's weights answer the held-out prompts, and where its answers are kept
// until the stage is finished.
struct Asking {
  AnswerForm form = AnswerForm::thought;
  fs::path work;
  std::string label;  // begins the progress line
};

std::vector<Asking> askings_of(const Session& session, int64_t round) {
  if (round > 0) {
    return {{.form = AnswerForm::thought,
             .work = session.folder.heldout(round),
             .label = fmt::format("round {} evaluate", round)}};
  }
  std::vector<Asking> askings;
  for (const AnswerForm form : answer_forms(session.config)) {
    askings.push_back({.form = form,
                       .work = session.folder.heldout(word_of(form, kAnswerForms)),
                       .label = fmt::format("untrained, {}", describe_form(form))});
  }
  return askings;
}

// The greedy generations of the round's weights, resumed from .work/.
std::vector<OutputRow> generate_heldout(Session& session,
                                        Decoder& decoder,
                                        const Asking& asking,
                                        const std::string& model_sha256,
                                        int64_t round) {
  const auto prompts = prompts_in_form(session, asking.form);
  BranchStore store(asking.work, model_sha256);
  Generator generator =
      make_generator(session, decoder, model_sha256, round, budget_of(session.config, asking.form));
  Progress progress({.stage = asking.label,
                     .unit = "prompts",
                     .total = static_cast<int64_t>(prompts.size()),
                     .already_done = store.count(),
                     .rate_unit = "tok"},
                    session.clock);
  generator.generate_greedy(
      prompts,
      has_thought(asking.form),
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

std::vector<std::string> answers_of(const std::vector<OutputRow>& outputs) {
  std::vector<std::string> answers;
  for (const OutputRow& row : outputs) answers.push_back(row.answer);
  return answers;
}

int64_t count_cut(const std::vector<OutputRow>& outputs) {
  return std::count_if(outputs.begin(), outputs.end(), [](const OutputRow& row) {
    return row.finish == Finish::length;
  });
}

// The answers of one form: what is published of them, and how many were cut.
struct Answers {
  AnswerForm form = AnswerForm::thought;
  std::vector<EvalRow> rows;
  int64_t cut = 0;
  std::vector<OutputRow> outputs;
  TextLikelihood likelihood;  // of the outputs, after round 0
};

// The same targets in each round: the prompts' own answers, else the anchors.
std::vector<std::optional<double>> heldout_losses(const Session& session,
                                                  Decoder& decoder,
                                                  const std::vector<OutputRow>& outputs,
                                                  int64_t round) {
  const auto own = own_answers(session.prompts.holdout);
  const auto targets = own ? *own : round == 0 ? answers_of(outputs) : read_anchors(session);
  std::vector<std::optional<double>> losses;
  losses.reserve(targets.size());
  for (size_t n = 0; n < targets.size(); ++n) {
    losses.push_back(answer_loss(decoder, session.texts, session.prompts.holdout[n], targets[n]));
  }
  return losses;
}

// Generates the answers of each form and measures the losses. Those of the prompts' own answers are
// the same whatever the form.
std::vector<Answers> answer(Session& session,
                            Decoder& decoder,
                            const std::string& model_sha256,
                            int64_t round) {
  const bool have_own_answers = own_answers(session.prompts.holdout).has_value();
  std::vector<Answers> forms;
  std::vector<std::optional<double>> losses;
  for (const Asking& asking : askings_of(session, round)) {
    const auto outputs = generate_heldout(session, decoder, asking, model_sha256, round);
    if (forms.empty() || !have_own_answers) {
      losses = heldout_losses(session, decoder, outputs, round);
    }
    Answers& answers = forms.emplace_back();
    answers.form = asking.form;
    answers.cut = count_cut(outputs);
    for (size_t n = 0; n < outputs.size(); ++n) {
      answers.rows.push_back(make_eval_row(outputs[n], round));
      answers.rows.back().heldout_loss = losses[n];
    }
    if (round == 0) continue;
    answers.likelihood =
        likelihood_of(session, decoder, prompts_in_form(session, asking.form), outputs);
    answers.outputs = outputs;
  }
  return forms;
}

// Scores, or comparisons with the anchors. A likelihood judge gives an empty answer no score; with
// a reference it is wrong.
void judge_answers(Session& session,
                   Judge& judge,
                   std::vector<EvalRow>& rows,
                   const std::vector<std::string>& anchors,
                   const std::string& label) {
  const bool has_reference = session.config.judge.first.kind == JudgeKind::reference;
  std::vector<EvalTask> tasks;
  std::vector<size_t> task_row;
  for (size_t n = 0; n < rows.size(); ++n) {
    if (judge.is_pointwise() && rows[n].answer.empty()) {
      if (has_reference) rows[n].score = 0;
      continue;
    }
    task_row.push_back(n);
    tasks.push_back(
        {.prompt = session.prompts.holdout[n], .answer = rows[n].answer, .anchor = anchors.at(n)});
  }
  Progress progress({.stage = label,
                     .unit = "prompts",
                     .total = static_cast<int64_t>(tasks.size()),
                     .already_done = 0,
                     .rate_unit = "answers"},
                    session.clock);
  const auto verdicts = judge.evaluate(tasks, progress);
  progress.finish();
  for (size_t k = 0; k < verdicts.size(); ++k) {
    rows[task_row[k]].score = verdicts[k].score;
    rows[task_row[k]].win = verdicts[k].win;
  }
}

// Judges each form, the direct one first, with which a ranking judge compares the others; the best
// one's rows become the anchors.
Answers choose_anchor(Session& session, std::vector<Answers> forms) {
  const auto judge = open_judge(session, /*round=*/0);
  std::vector<std::string> direct;
  for (const EvalRow& row : forms.front().rows) direct.push_back(row.answer);
  std::vector<FormRow> published;
  for (Answers& answers : forms) {
    const bool is_compared = judge->is_pointwise() || answers.form != forms.front().form;
    const std::string label = fmt::format("untrained, {}: score", describe_form(answers.form));
    if (is_compared) judge_answers(session, *judge, answers.rows, direct, label);
    for (const EvalRow& row : answers.rows) published.push_back({row, answers.form});
  }
  publish_rows(session.folder.file(0, RoundFile::forms), published);
  const AnswerForm best = best_form(published);
  const auto chosen = std::find_if(
      forms.begin(), forms.end(), [&](const Answers& answers) { return answers.form == best; });
  log_info("the anchor is the untrained model's answer {}", describe_form(best));
  // Against themselves the anchors win and lose nothing.
  for (EvalRow& row : chosen->rows) row.win = std::nullopt;
  return std::move(*chosen);
}

}  // namespace

StageReport evaluate_stage(Session& session, int64_t round) {
  const fs::path model_folder = session.model_folder(round);
  const std::string model_sha256 = weights_sha256(model_folder);
  StageReport report{.units = 0, .unit = "tokens"};
  std::vector<Answers> forms;
  {
    Decoder decoder =
        load_decoder(model_folder, session.compute, {.slots = session.config.generate.slots});
    forms = answer(session, decoder, model_sha256, round);
  }  // the decoder's memory is free before a likelihood judge loads its own
  for (const Answers& form : forms) {
    for (const EvalRow& row : form.rows) report.units += std::ssize(row.token_ids);
  }
  Answers answers = round == 0 ? choose_anchor(session, std::move(forms)) : std::move(forms[0]);
  if (round > 0) {
    const auto judge = open_judge(session, round);
    judge_answers(
        session, *judge, answers.rows, read_anchors(session), fmt::format("round {} score", round));
  }
  const auto count = std::ssize(answers.rows);
  const std::string cut = heldout_cut_text(answers.cut, count, round);
  if (!cut.empty()) log_warning("{}", cut);
  report.facts = {{"cut", answers.cut}, {"answers", count}};
  if (round == 0) {
    report.facts["anchor"] = word_of(answers.form, kAnswerForms);
  } else {
    report.facts["kl_to_round_0"] = kl_to_untrained(
        session, prompts_in_form(session, answers.form), answers.outputs, answers.likelihood);
  }
  const std::vector<TaskRow> tasks = answer_tasks(session, model_folder, round);
  if (!tasks.empty()) publish_rows(session.folder.file(round, RoundFile::tasks), tasks);
  publish_rows(session.folder.file(round, RoundFile::eval), answers.rows);
  return report;
}

}  // namespace thoughtrank
