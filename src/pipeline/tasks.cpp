#include "pipeline/tasks.h"

#include <algorithm>
#include <map>
#include <set>

#include "pipeline/answer_forms.h"
#include "pipeline/branch_store.h"
#include "pipeline/shown_prompts.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/telling.h"
#include "thoughtrank/judge/reference.h"

namespace thoughtrank {

namespace {

constexpr double kPoints = 100;  // in a whole

std::vector<AnswerForm> forms_of(int64_t round) {
  if (round > 0) return {AnswerForm::thought};
  return {AnswerForm::direct, AnswerForm::thought};
}

// The run's config with the task's budgets of tokens.
RunConfig config_of(const RunConfig& config, const TaskOptions& task) {
  RunConfig own = config;
  own.generate.thought_tokens = task.thought_tokens.value_or(config.generate.thought_tokens);
  own.generate.answer_tokens = task.answer_tokens.value_or(config.generate.answer_tokens);
  return own;
}

LoadedTask load_task(const RunConfig& config, const TaskOptions& options, const ModelTexts& texts) {
  LoadedTask task{.options = options, .prompts = {}};
  const RunConfig own = config_of(config, options);
  const auto examples = load_examples(options.examples, config.branches, /*with_thoughts=*/true);
  std::string reason;
  int64_t left_out = 0;
  for (PromptRow& prompt : read_prompt_file(options.path, config.prompts.drop_repeats)) {
    if (options.prompts > 0 && std::ssize(task.prompts) == options.prompts) break;
    require_reference(
        prompt, options.match, fmt::format("{}: evaluate.tasks {}", options.path, options.name));
    prompt.token_ids = texts.prompt_ids(prompt, examples);
    const std::string misfit = context_misfit(own, texts, prompt);
    if (misfit.empty()) {
      task.prompts.push_back(std::move(prompt));
      continue;
    }
    ++left_out;
    if (reason.empty()) reason = misfit;
  }
  if (task.prompts.empty()) {
    fail(ExitCode::kBadData,
         "task {}: no question of {} fits: {}",
         options.name,
         options.path,
         reason);
  }
  if (left_out > 0) {
    log_warning("task {}: {} questions are left out: {}", options.name, left_out, reason);
  }
  return task;
}

// One way in which one task is asked.
class Asking {
 public:
  Asking(const Session& session,
         const LoadedTask& task,
         AnswerForm form,
         int64_t round,
         const std::string& model_sha256)
      : session_(session),
        task_(task),
        form_(form),
        round_(round),
        model_sha256_(model_sha256),
        prompts_(task.prompts),
        store_(session.folder.task_answers(round, task.options.name, word_of(form, kAnswerForms)),
               model_sha256) {
    if (has_thought(form) || task.options.examples.empty()) return;
    prompts_ = with_examples(
        prompts_,
        load_examples(task.options.examples, session.config.branches, /*with_thoughts=*/false),
        session.texts);
  }

  [[nodiscard]] bool is_done() const { return store_.count() == std::ssize(prompts_); }

  void generate(Decoder& decoder) {
    const RunConfig own = config_of(session_.config, task_.options);
    Generator generator =
        make_generator(session_, decoder, model_sha256_, round_, budget_of(own, form_));
    Progress progress(
        {.stage =
             fmt::format("round {} task {}, {}", round_, task_.options.name, describe_form(form_)),
         .unit = "questions",
         .total = std::ssize(prompts_),
         .already_done = store_.count(),
         .rate_unit = "tok"},
        session_.clock);
    generator.generate_greedy(
        prompts_,
        has_thought(form_),
        [&](size_t prompt) { return store_.has(prompts_[prompt].prompt_id, -1); },
        [&](size_t, OutputRow row) { store_.add(std::move(row)); },
        session_.stop,
        progress);
    progress.finish();
  }

  void add_to(std::vector<TaskRow>& rows) const {
    for (const PromptRow& prompt : prompts_) {
      const OutputRow output = store_.rows_of(prompt.prompt_id).at(0);
      rows.push_back(
          {.task = task_.options.name,
           .prompt_id = prompt.prompt_id,
           .round = round_,
           .form = form_,
           .thought = output.thought,
           .answer = output.answer,
           .reference = prompt.answer,
           .is_right = output.finish != Finish::error &&
                       matches_reference(output.answer, prompt.answer, task_.options.match),
           .is_cut = output.finish == Finish::length});
    }
  }

 private:
  const Session& session_;
  const LoadedTask& task_;
  AnswerForm form_;
  int64_t round_;
  std::string model_sha256_;
  std::vector<PromptRow> prompts_;
  BranchStore store_;
};

struct TaskScore {
  int64_t right = 0, all = 0;
  [[nodiscard]] double percent() const {
    return kPoints * static_cast<double>(right) / static_cast<double>(std::max<int64_t>(all, 1));
  }
};

// Right answers to one task in its best form.
TaskScore best_score(const std::vector<TaskRow>& rows, const std::string& task) {
  std::map<AnswerForm, TaskScore> by_form;
  for (const TaskRow& row : rows) {
    if (row.task != task) continue;
    by_form[row.form].right += row.is_right ? 1 : 0;
    by_form[row.form].all += 1;
  }
  TaskScore best;
  for (const auto& [form, score] : by_form) {
    if (best.all == 0 || score.percent() > best.percent()) best = score;
  }
  return best;
}

void require_no_fall(const TaskOptions& task,
                     const TaskScore& then,
                     const TaskScore& now,
                     int64_t round) {
  constexpr double kRounding = 1e-9;  // of percents: what is allowed to the point is allowed
  if (now.percent() >= then.percent() - *task.max_fall - kRounding) return;
  fail(
      ExitCode::kTrainingHealth,
      "round {}: task {} fell from {:.1f} % right ({} of {}), the untrained model's best form, to "
      "{:.1f} % ({} of {}); its max_fall allows {:g} points. No checkpoint is made; round {} stays "
      "the newest, the answers are in round-{:02}/tasks.jsonl. Raise max_fall and run again, or "
      "fork before this round (--fork-from) with a lower train.learning_rate, fewer epochs or "
      "train.replay rows{}",
      round,
      task.name,
      then.percent(),
      then.right,
      then.all,
      now.percent(),
      now.right,
      now.all,
      *task.max_fall,
      round - 1,
      round,
      now.all < kTellingQuestions
          ? fmt::format("; {} questions tell little, ask more of them", now.all)
          : "");
}

}  // namespace

std::vector<LoadedTask> load_tasks(const RunConfig& config, const ModelTexts& texts) {
  std::vector<LoadedTask> tasks;
  for (const TaskOptions& task : config.evaluate.tasks) {
    tasks.push_back(load_task(config, task, texts));
  }
  return tasks;
}

int64_t trained_questions(const LoadedTask& task, const PromptPlan& prompts) {
  std::set<std::string> trained;
  for (const std::vector<PromptRow>& round : prompts.rounds) {
    for (const PromptRow& prompt : round) trained.insert(prompt.prompt);
  }
  return std::count_if(task.prompts.begin(), task.prompts.end(), [&](const PromptRow& prompt) {
    return trained.contains(prompt.prompt);
  });
}

std::vector<TaskRow> answer_tasks(const Session& session,
                                  const fs::path& model_folder,
                                  int64_t round) {
  std::vector<TaskRow> rows;
  if (session.tasks.empty()) return rows;
  const std::string model_sha256 = weights_sha256(model_folder);
  fs::create_directories(session.folder.work(round));
  std::optional<Decoder> decoder;
  for (const LoadedTask& task : session.tasks) {
    for (const AnswerForm form : forms_of(round)) {
      Asking asking(session, task, form, round, model_sha256);
      if (!asking.is_done()) {
        if (!decoder) {
          decoder.emplace(load_decoder(
              model_folder, session.compute, {.slots = session.config.generate.slots}));
        }
        asking.generate(*decoder);
      }
      asking.add_to(rows);
    }
  }
  return rows;
}

std::function<void(const fs::path& folder)> task_gate(const Session& session, int64_t round) {
  const bool has_gate =
      std::any_of(session.tasks.begin(), session.tasks.end(), [](const LoadedTask& task) {
        return task.options.max_fall.has_value();
      });
  if (!has_gate) return {};
  const fs::path file = session.folder.file(0, RoundFile::tasks);
  if (!fs::exists(file)) {
    fail(ExitCode::kMissingInput,
         "evaluate.tasks with a max_fall need {}, the untrained model's answers. `thoughtrank run` "
         "makes it",
         file.string());
  }
  return [&session, round, before = read_rows<TaskRow>(file)](const fs::path& folder) {
    const std::vector<TaskRow> after = answer_tasks(session, folder, round);
    publish_rows(session.folder.file(round, RoundFile::tasks), after);
    for (const LoadedTask& task : session.tasks) {
      if (!task.options.max_fall) continue;
      require_no_fall(task.options,
                      best_score(before, task.options.name),
                      best_score(after, task.options.name),
                      round);
    }
  };
}

void forget_task_answers(const Session& session, int64_t round) {
  for (const LoadedTask& task : session.tasks) {
    for (const AnswerForm form : forms_of(round)) {
      fs::remove(
          session.folder.task_answers(round, task.options.name, word_of(form, kAnswerForms)));
    }
  }
}

}  // namespace thoughtrank
