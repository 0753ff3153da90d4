#include "thoughtrank/pipeline/config.h"

#include <functional>
#include <regex>
#include <set>
#include <vector>

namespace thoughtrank {

void ModelOptions::visit(FieldVisitor& v) {
  v.may_change().path(
      "path",
      path,
      "Hugging Face folder: config.json, tokenizer.json or tokenizer.model, *.safetensors");
  v.choice("dtype",
           dtype,
           kComputeDtypes,
           "weights in memory; auto: bfloat16 where the processor multiplies it, else float32");
  v.text("sha256", sha256, "pins the weights: the run refuses any others; empty = not pinned");
}

void ExampleOptions::visit(FieldVisitor& v) {
  v.may_change().path("path",
                      path,
                      ".jsonl rows with prompt, thought and answer, shown as earlier turns while "
                      "branches are generated; empty: none");
  v.integer("rounds",
            rounds,
            {0, 99},
            "show them in the first so many rounds, until the model thinks alone; 0: in all");
  v.boolean("train",
            train,
            "false: training rows and held-out prompts are without them, as the trained model is "
            "asked; true: they stay part of every prompt");
}

void PromptOptions::visit(FieldVisitor& v) {
  v.may_change().path(
      "path",
      path,
      ".jsonl rows with prompt, question or messages (optional id, system, answer), or .txt, "
      "one per line");
  v.integer("per_round",
            per_round,
            {0, 100'000'000},
            "fresh prompts a round; 0: all the rest in every round");
  v.integer(
      "holdout", holdout, {0, 100'000'000}, "prompts that are never trained on, for evaluation");
  // A run whose file has no repeats is the same either way; with repeats, only true begins one.
  v.may_change().boolean("drop_repeats",
                         drop_repeats,
                         "true: of rows that say the same the first is kept; false: an error");
  v.group("examples", examples, "worked examples that prime the first thoughts");
}

namespace {

void visit_task(TaskOptions& task, FieldVisitor& v) {
  v.text("name", task.name, "of its rows and of its line in the table");
  v.path("path", task.path, "a prompt file whose rows have answers: GSM8K, ARC, your own");
  v.choice("match", task.match, kReferenceMatches, "as judge.match");
  v.integer("prompts", task.prompts, {0, 100'000'000}, "the first so many questions; 0: all");
  v.path("examples", task.examples, "worked examples in front of each question; empty: none");
  v.auto_integer(
      "thought_tokens", task.thought_tokens, {0, 1 << 20}, "auto: as generate.thought_tokens");
  v.auto_integer(
      "answer_tokens", task.answer_tokens, {1, 1 << 20}, "auto: as generate.answer_tokens");
  v.optional_number(
      "max_fall",
      task.max_fall,
      {0, 100},
      "a checkpoint more points below the untrained model is not published (exit 81)");
}

}  // namespace

void EvaluateOptions::visit(FieldVisitor& v) {
  v.groups("tasks", tasks, visit_task, "questions with answers that every round is asked");
}

void LimitOptions::visit(FieldVisitor& v) {
  v.may_change().number("max_hours",
                        max_hours,
                        {0, 100'000},
                        "stop (exit 75, resumable) after this many hours; 0: never");
  v.may_change().number(
      "hang_minutes",
      hang_minutes,
      {0, 100'000},
      "end (exit 82, resumable) when a device or a file system has not answered for this long; "
      "0: wait for ever");
}

void RunConfig::visit(FieldVisitor& v) {
  v.may_change().path("run_dir", run_dir, "where the run lives; the same folder resumes it");
  v.integer("rounds", rounds, {1, 99}, "rounds of generate, judge, train, evaluate");
  v.integer("seed", seed, {0, INT64_MAX}, "every random choice of the run follows from it");
  v.may_change().text("device", device, "auto | cpu | cuda | cuda:N");
  v.may_change().auto_integer("threads",
                              threads,
                              {1, 1024},
                              "CPU threads; auto: one per processor that the process may use");
  v.may_change().text("instruction_set",
                      instruction_set,
                      "auto | portable | avx2 | avx512 | avx512_bf16 | amx: of the CPU");
  v.boolean("private",
            is_private,
            "true: no publishing rules for the checkpoint's name and licence files");
  v.group("model", model, "the model that learns to think");
  v.group("prompts", prompts, "what it is asked");
  v.text("template", chat_template, "auto | a name in configs/templates | path of such a file");
  v.group("branches", branches, "the forced beginnings of a thought");
  v.group("generate", generate, "token budgets of a branch");
  v.group("judge", judge, "who ranks the answers");
  v.group("select", select, "when a winner is sure enough to be trained on");
  v.group("train", train, "fine-tuning on the winners");
  v.group("evaluate", evaluate, "what is asked after every round, beside held-out prompts");
  v.group("checkpoint", checkpoint, "what a round leaves behind");
  v.group("limits", limits, "when to stop by itself");
}

namespace {

// need(holds, problem) notes a problem.
using Need = std::function<void(bool holds, const std::string& problem)>;

void check_tasks(const std::vector<TaskOptions>& all, const Need& need) {
  std::set<std::string> names;
  for (const TaskOptions& task : all) {
    need(std::regex_match(task.name, std::regex("[A-Za-z0-9_]{1,40}")),
         fmt::format("'evaluate.tasks': a name should be letters, digits and _, found '{}'",
                     task.name));
    need(names.insert(task.name).second,
         fmt::format("'evaluate.tasks': the name '{}' stands twice", task.name));
    need(
        !task.path.empty(),
        fmt::format("'evaluate.tasks': '{}' has no 'path', a prompt file with answers", task.name));
  }
}

void check_sampling(const RunConfig& config, const Need& need) {
  const bool draws = config.generate.temperature > 0;
  need(
      draws || config.branches.samples_per_char == 1,
      fmt::format("'branches.samples_per_char: {}' needs 'generate.temperature': at 0 all branches "
                  "of a character are the same",
                  config.branches.samples_per_char));
  need(
      draws || config.generate.top_p == 1,
      fmt::format("'generate.top_p: {}' needs 'generate.temperature': at 0 the most probable token "
                  "is taken",
                  config.generate.top_p));
}

// Problems are told with the file that holds them.
void check_relations(const RunConfig& config, const std::string& file) {
  std::vector<std::string> problems;
  const Need need = [&](bool holds, const std::string& problem) {
    if (!holds) problems.push_back(file.empty() ? problem : file + ": " + problem);
  };
  need(!config.run_dir.empty(), "'run_dir' is empty: where the run is to live");
  need(!config.model.path.empty(), "'model.path' is missing: the Hugging Face folder of the model");
  for (const JudgeServer& judge : all_judges(config.judge)) {
    need(judge.kind != JudgeKind::unset,
         "'judge.kind' is missing: who ranks the answers. One of\n" + judge_kinds_text());
  }
  need(!config.prompts.path.empty(), "'prompts.path' is missing: a .jsonl or .txt file of prompts");
  const ExampleOptions& examples = config.prompts.examples;
  need(
      !examples.train || examples.rounds == 0,
      "'prompts.examples.train: true' keeps the examples in every prompt, 'rounds' takes them away "
      "after some: set one of them only");
  need(!examples.path.empty() || (!examples.train && examples.rounds == 0),
       "'prompts.examples.rounds' and 'train' need 'prompts.examples.path': the .jsonl file of "
       "worked "
       "examples");
  need(!config.select.min_lift || config.select.winners_per_prompt == 1,
       "'select.min_lift' looks at the thought of the first winner only: set "
       "select.winners_per_prompt: 1");
  need(config.select.control != SelectControl::shuffled_thoughts ||
           config.train.objective != Objective::dpo_nll,
       "'select.control: shuffled_thoughts' exchanges the thoughts of the rows of "
       "train.objective: sft; pairs of answers keep theirs");
  need(std::regex_match(config.device, std::regex("auto|cpu|cuda(:[0-9]{1,2})?")),
       fmt::format("'device' should be auto, cpu, cuda or cuda:N, found '{}'", config.device));
  need(config.model.sha256.empty() ||
           std::regex_match(config.model.sha256, std::regex("[0-9a-f]{64}")),
       "'model.sha256' should be 64 lower-case hex digits or empty");
  need(!config.generate.slots || *config.generate.slots % 16 == 0,
       fmt::format("'generate.slots' should be auto or a multiple of 16, found {}",
                   config.generate.slots.value_or(0)));
  check_tasks(config.evaluate.tasks, need);
  check_sampling(config, need);
  need(!config.train.max_heldout_worse || config.prompts.holdout > 0,
       "'train.max_heldout_worse' needs held-out prompts: set prompts.holdout");
  for (const JudgeServer& judge : all_judges(config.judge)) {
    need(judge.server.proxy.find('@') == std::string::npos,
         "'judge.proxy' must not hold a name or password: put such a proxy in the environment "
         "(https_proxy)");
  }
  try {
    (void)expand_chars(config.branches.chars);
    require_tier(config.train);
  } catch (const Error& error) {
    need(false, error.what());
  }
  if (problems.empty()) return;
  std::string message;
  for (const std::string& problem : problems) message += (message.empty() ? "" : "\n") + problem;
  throw Error(ExitCode::kConfig, message);
}

}  // namespace

RunConfig load_config(const ConfigSource& source) {
  RunConfig config;
  load_fields(source, [&](FieldVisitor& v) { config.visit(v); });
  check_relations(config, source.file);
  return config;
}

Json config_to_json(const RunConfig& config) {
  RunConfig copy = config;
  return fields_to_json([&](FieldVisitor& v) { copy.visit(v); });
}

}  // namespace thoughtrank
