#include "thoughtrank/pipeline/plan.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "pipeline/answer_forms.h"
#include "pipeline/session.h"
#include "pipeline/shown_prompts.h"
#include "pipeline/tasks.h"
#include "pipeline/training_rows.h"
#include "thoughtrank/bench/roofline.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/missing.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/model/sizes.h"

namespace thoughtrank {

namespace {

// The longest micro-batch, all of it with loss; checkpointing as the memory lets the trainer
// choose.
void estimate_training(RunPlan& plan,
                       const RunConfig& config,
                       const LlamaConfig& model,
                       int64_t longest_row) {
  TrainOptions train = config.train;
  train.optimizer_state = plan.compute.optimizer_state;
  const int64_t tokens = std::min(train.sequence_length, train.tokens_per_step - 1 + longest_row);
  plan.training_size = {.tokens = tokens,
                        .loss_tokens = tokens,
                        .weights = scalar_type(plan.compute.train_dtype),
                        .device = at::Device(plan.compute.device)};
  const uint64_t fixed = training_memory(model, train, plan.training_size).standing();
  const uint64_t left = plan.memory_available - std::min(plan.memory_available, fixed);
  plan.training_size.checkpointing = fitting_checkpointing(model, train, plan.training_size, left);
  plan.training = training_memory(model, train, plan.training_size);
}

uint64_t free_disk(fs::path folder) {
  folder = fs::absolute(folder);
  while (!fs::exists(folder)) folder = folder.parent_path();
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0)
    fail(ExitCode::kIo, "{}: statvfs failed", folder.string());
  return static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
}

int64_t count_special_text(const PromptPlan& prompts, const ModelTexts& texts) {
  int64_t count = 0;
  const auto add = [&](const std::vector<PromptRow>& rows) {
    for (const PromptRow& row : rows) {
      const std::string text = row.system + "\n" + row.prompt;
      count += texts.tokenizer->encode(text) != texts.tokenizer->encode_with_special(text) ? 1 : 0;
    }
  };
  add(prompts.holdout);
  for (const auto& round : prompts.rounds) add(round);
  return count;
}

int64_t longest_row(const std::vector<TrainingRow>& rows) {
  size_t length = 0;
  for (const TrainingRow& row : rows) length = std::max(length, row.input_ids.size());
  return static_cast<int64_t>(length);
}

int64_t longest(const std::vector<PromptRow>& prompts) {
  size_t length = 0;
  for (const PromptRow& row : prompts) length = std::max(length, row.token_ids.size());
  return static_cast<int64_t>(length);
}

int64_t longest_shown(const RunConfig& config, const ModelTexts& texts, const PromptPlan& prompts) {
  int64_t length = 0;
  for (int64_t round = 1; round <= config.rounds; ++round) {
    length = std::max(length, longest(shown_prompts(config, texts, prompts, round)));
  }
  return length;
}

int64_t longest(const PromptPlan& prompts) {
  int64_t length = 0;
  for (const auto& round : prompts.rounds) length = std::max(length, longest(round));
  return length;
}

// The first prompt of round 1 as it is generated from, and as it is trained on.
std::vector<std::string> describe_examples(const RunConfig& config,
                                           const PromptPlan& prompts,
                                           const ModelTexts& texts) {
  const ExampleOptions& options = config.prompts.examples;
  if (prompts.examples.empty()) return {};
  const PromptRow& first = prompts.rounds.front().front();
  const ChatPrompt alone = {.system = first.system, .user = first.prompt};
  ChatPrompt shown = alone;
  shown.earlier = prompts.examples;
  std::vector<std::string> lines = {fmt::format(
      "{} in front of each prompt, {}; {}",
      prompts.examples.size(),
      options.rounds == 0 ? "in all rounds" : fmt::format("in the first {} rounds", options.rounds),
      options.train ? "also in training and evaluation" : "not in training and evaluation")};
  lines.push_back("generated from:\n" + render_prompt(texts.chat_template, shown));
  if (!options.train) {
    lines.push_back("trained on and evaluated:\n" + render_prompt(texts.chat_template, alone));
  }
  return lines;
}

// Of the rows that a round trains on, by tokens.
double replayed_share(const RunConfig& config) {
  return config.train.replay.path.empty() ? 0 : config.train.replay.share;
}

// Optimizer steps of the first round if every prompt has a winner of three quarters of its budget;
// a pair of objective dpo_nll has two answers.
double expected_steps(const RunConfig& config, const ModelTexts& texts, const PromptPlan& prompts) {
  const auto& round = prompts.rounds.front();
  const bool has_pairs = config.train.objective == Objective::dpo_nll;
  double tokens = 0.75 * static_cast<double>(longest_branch(config, texts) * std::ssize(round));
  for (const PromptRow& prompt : round) tokens += static_cast<double>(prompt.token_ids.size());
  const double row = (has_pairs ? 2 : 1) * tokens / static_cast<double>(round.size());
  const auto winners = static_cast<double>(has_pairs ? 1 : config.select.winners_per_prompt);
  const double rows = static_cast<double>(round.size()) * winners / (1 - replayed_share(config));
  // A step takes whole rows until it has its tokens.
  const double rows_per_step =
      std::max(1.0, std::ceil(static_cast<double>(config.train.tokens_per_step) / row));
  return static_cast<double>(config.train.epochs) * std::ceil(rows / rows_per_step);
}

void estimate_sizes(RunPlan& plan,
                    const RunConfig& config,
                    const LlamaConfig& model,
                    int64_t longest_replayed) {
  const int64_t per_branch = config.generate.thought_tokens + config.generate.answer_tokens;
  plan.generated_tokens_worst = plan.prompts_per_round * plan.branches * per_branch;
  const auto cached = static_cast<uint64_t>(plan.longest_shown + plan.branches * per_branch);
  plan.decode_bytes = static_cast<uint64_t>(plan.parameters * bytes_of(plan.compute.dtype)) +
                      cached * static_cast<uint64_t>(kv_bytes_per_token(model, plan.compute.dtype));
  estimate_training(
      plan, config, model, std::max(plan.longest_prompt + per_branch, longest_replayed));
  const uint64_t checkpoint =
      static_cast<uint64_t>(plan.parameters * bytes_of(config.checkpoint.dtype));
  const uint64_t state = plan.training.weights + plan.training.moments;
  plan.disk_bytes = static_cast<uint64_t>(config.checkpoint.keep + 1) * checkpoint + state;
}

double one_question(const LoadedTask& task) {
  return 100 / static_cast<double>(task.prompts.size());
}

// "gsm8k: 200 questions, twice of the untrained model and once after each round"
std::vector<std::string> describe_tasks(const std::vector<LoadedTask>& tasks,
                                        const PromptPlan& prompts) {
  std::vector<std::string> lines;
  for (const LoadedTask& task : tasks) {
    const std::string gate =
        task.options.max_fall
            ? fmt::format("; no checkpoint more than {:g} points below the untrained model{}",
                          *task.options.max_fall,
                          one_question(task) > *task.options.max_fall
                              ? fmt::format(", but one question is {:.1f} points: ask more of them",
                                            one_question(task))
                              : "")
            : "";
    const int64_t known = trained_questions(task, prompts);
    lines.push_back(fmt::format(
        "{}: {} questions, asked of the untrained model in two forms and after each "
        "round{}{}",
        task.options.name,
        task.prompts.size(),
        gate,
        known > 0 ? fmt::format("; {} of them are prompts that the run trains on", known) : ""));
  }
  return lines;
}

// What the judges read: every question of the run, and answers that use up their tokens on the
// longest one of the vocabulary. Ranking judges compare each held-out answer with its anchor after
// each round.
JudgingSize judging_size(const RunConfig& config,
                         const PromptPlan& prompts,
                         const ModelTexts& texts) {
  JudgingSize size{.branches = branches_per_prompt(config.branches),
                   .answer_tokens = config.generate.answer_tokens,
                   .heldout_tokens = budget_of(config, AnswerForm::direct).answer_tokens};
  for (const auto& round : prompts.rounds) {
    if (!follows_judge(config.select.control)) break;
    for (const PromptRow& row : round) size.questions.add(row);
  }
  // The forms of the untrained model are compared with its direct answer.
  const int64_t comparisons = config.rounds + std::ssize(answer_forms(config)) - 1;
  for (const PromptRow& row : prompts.holdout) size.heldout.add(row, comparisons);
  size.token_json_bytes = 1;
  for (int64_t id = 0; id < texts.tokenizer->vocabulary_size(); ++id) {
    size.token_json_bytes =
        std::max(size.token_json_bytes, worst_json_bytes(texts.tokenizer->token_bytes(id)));
  }
  return size;
}

Judge::Setup judge_setup(const RunConfig& config,
                         const fs::path& ledger,
                         Clock& clock,
                         const StopFlag& stop) {
  return {.options = without_patience(config.judge),
          .select = config.select,
          .seed = 0,
          .round = 0,
          .ledger = ledger,
          .scorer =
              [](const PromptRow&, const std::vector<std::string>& answers) {
                return std::vector<double>(answers.size(), 0.0);
              },
          .clock = clock,
          .stop = stop};
}

// What would stop the judge from being asked: settings, key, program; with `probe` also whether it
// answers. In accounts that are thrown away.
void try_judge(
    RunPlan& plan, const RunConfig& config, bool probe, Clock& clock, const StopFlag& stop) {
  const fs::path ledger = scratch_folder() / fmt::format("thoughtrank-probe-{}.jsonl", ::getpid());
  try {
    Judge judge(judge_setup(config, ledger, clock, stop));
    if (probe) plan.judge_probe = judge.probe();
  } catch (const Error& error) {
    plan.judge_problem = error;
  }
  fs::remove(ledger);
}

// The shares of the roofline that were measured on CPUs, the lower ones.
constexpr double kUsualDecodeShare = 0.68;
constexpr double kUsualTrainShare = 0.44;

}  // namespace

RoundTimes estimate_times(const RunPlan& plan, const RunConfig& config, const PeakRates& rates) {
  const int64_t per_branch = config.generate.thought_tokens + config.generate.answer_tokens;
  const DecodeRoofline roofline = decode_roofline(read_llama_config(config.model.path),
                                                  {.prompt_tokens = plan.longest_shown,
                                                   .new_tokens = per_branch,
                                                   .branches = plan.branches,
                                                   .dtype = plan.compute.dtype},
                                                  rates);
  const auto prompts = static_cast<double>(plan.prompts_per_round);
  const auto rows = prompts *
                    static_cast<double>(config.select.winners_per_prompt * config.train.epochs) /
                    (1 - replayed_share(config));
  const double row_tokens = static_cast<double>(plan.longest_prompt + per_branch);
  // A multiply-add for each parameter and token, forward once and backward twice. Each step reads
  // and writes weights, gradients and moments.
  const double operations = 6 * static_cast<double>(plan.parameters) * row_tokens * rows;
  const double steps = std::ceil(rows * row_tokens /
                                 static_cast<double>(std::max<int64_t>(config.train.tokens_per_step,
                                                                       plan.training_size.tokens)));
  const double step_bytes = 2 * static_cast<double>(plan.training.standing());
  const double train_s = operations / rates.flops_per_s(plan.compute.train_dtype) +
                         steps * step_bytes / rates.read_bytes_per_s;
  return {.generate_s = prompts * (roofline.prefill_s + roofline.decode_s) / kUsualDecodeShare,
          .train_s = train_s / kUsualTrainShare};
}

RunPlan make_plan(const RunConfig& config, bool probe, Clock& clock, const StopFlag& stop) {
  const ModelTexts texts = load_model_texts(config.model.path, config.chat_template);
  (void)open_llama_weights(config.model.path);  // the weights are there, and a Llama's
  const PromptPlan prompts = load_prompts(config, texts);
  require_licence(config.model.path, config.run_dir, config.is_private);
  RunPlan plan;
  plan.compute = resolve_compute(config, texts.model);
  plan.chat_template = texts.chat_template.name;
  plan.parameters = parameter_count(texts.model);
  plan.prompts_found =
      std::ssize(read_prompt_file(config.prompts.path, config.prompts.drop_repeats));
  plan.prompts_left_out = std::ssize(prompts.left_out);
  plan.holdout = config.prompts.holdout;
  plan.rounds = config.rounds;
  plan.prompts_per_round = static_cast<int64_t>(prompts.rounds.front().size());
  plan.branches = branches_per_prompt(config.branches);
  plan.longest_prompt = longest(prompts);
  plan.longest_shown = longest_shown(config, texts, prompts);
  plan.example_lines = describe_examples(config, prompts, texts);
  plan.task_lines = describe_tasks(load_tasks(config, texts), prompts);
  plan.steps = expected_steps(config, texts, prompts);
  plan.memory_available = memory_available(plan.compute.device);
  estimate_sizes(plan, config, texts.model, longest_row(read_replay(config, texts)));
  plan.disk_free = free_disk(config.run_dir);
  plan.special_text_prompts = count_special_text(prompts, texts);
  try {
    plan.judging = estimate_judging(config.judge, judging_size(config, prompts, texts));
    try_judge(plan, config, probe, clock, stop);
  } catch (const Error& error) {  // a rubric or a price that is not there
    plan.judge_problem = error;
  }
  plan.is_probed = probe;
  return plan;
}

}  // namespace thoughtrank
