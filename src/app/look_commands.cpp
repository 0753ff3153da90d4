// plan, status, inspect: nothing is written.
#include <c10/util/Exception.h>

#include "app/command.h"
#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/pipeline/plan.h"
#include "thoughtrank/report/inspect.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {

namespace {

struct PlanCommandOptions {
  bool probe = false;
};

struct StatusCommandOptions {
  std::string run_dir;
};

struct InspectCommandOptions {
  std::string run_dir;
  InspectOptions inspect;
};

std::string gib(uint64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / (1ull << 30));
}

std::string memory_line(const char* what, uint64_t needed, uint64_t available) {
  const char* verdict = needed > available ? "  DOES NOT FIT" : "";
  return fmt::format("{:<16}{} of {} available{}\n", what, gib(needed), gib(available), verdict);
}

std::string training_parts(const RunPlan& plan) {
  const TrainingMemory& parts = plan.training;
  return fmt::format(
      "weights {}, gradients {}, moments {}; {} tokens, checkpointing {}: activations {}, then "
      "loss chunk {} or a layer's work {}",
      gib(parts.weights),
      gib(parts.gradients),
      gib(parts.moments),
      plan.training_size.tokens,
      word_of(plan.training_size.checkpointing, kCheckpointings),
      gib(parts.activations),
      gib(parts.loss_chunk),
      gib(parts.layer_work));
}

// The quickstart's two dozen steps a round teach a small model.
constexpr int kFewSteps = 20;

// Lines after the first stand under it.
std::string indented(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += std::string(18, ' ');
  }
  return out;
}

// Lines of a name and a value each.
class Table {
 public:
  void line(const char* what, const std::string& value) {
    text += fmt::format("{:<16}{}\n", what, value);
  }
  std::string text;
};

void add_prompts(Table& table, const RunPlan& plan) {
  table.line("prompts",
             fmt::format("{} found; {} held out, {} rounds of {}; the longest has {} tokens",
                         plan.prompts_found,
                         plan.holdout,
                         plan.rounds,
                         plan.prompts_per_round,
                         plan.longest_prompt));
  if (plan.prompts_left_out > 0) {
    table.line("",
               fmt::format("{} left out: too long for the model's context", plan.prompts_left_out));
  }
  if (plan.special_text_prompts > 0) {
    table.line("",
               fmt::format("{} hold special-token text, which stays ordinary text here",
                           plan.special_text_prompts));
  }
  const char* what = "examples";
  for (const std::string& line : plan.example_lines) {
    table.line(std::exchange(what, ""), indented(printable(line)));
  }
  what = "tasks";
  for (const std::string& line : plan.task_lines) table.line(std::exchange(what, ""), line);
}

void add_round(Table& table, const RunPlan& plan, const RunConfig& config) {
  table.line("a round",
             fmt::format("{} branches, at most {} tokens",
                         plan.prompts_per_round * plan.branches,
                         plan.generated_tokens_worst));
  const std::string mend = fmt::format(
      "; fewer than {} teach little: {}raise prompts.per_round or train.epochs",
      kFewSteps,
      config.train.tokens_per_step > plan.longest_prompt ? "lower train.tokens_per_step, or " : "");
  table.line("",
             fmt::format("about {:.0f} optimizer steps in round 1 if every prompt has a winner{}",
                         plan.steps,
                         plan.steps < kFewSteps ? mend : ""));
}

void add_judge(Table& table, const RunPlan& plan, const RunConfig& config) {
  table.line("judge",
             fmt::format("{}: at most {} calls, {} answers read, {:.2f} USD expected, {:.2f} USD "
                         "at worst, cap {:.2f}",
                         word_of(config.judge.first.kind, kJudgeKinds),
                         plan.judging.calls,
                         plan.judging.answer_reads,
                         plan.judging.usd_expected,
                         plan.judging.usd_worst,
                         config.judge.max_usd));
  if (config.judge.max_usd > 0 && plan.judging.usd_expected > config.judge.max_usd) {
    table.line("", "the cap is below what is expected: the run would stop there (exit 80)");
  }
  if (!plan.is_probed) return;
  table.line("judge answers", plan.judge_probe.empty() ? "yes" : "NO: " + plan.judge_probe);
}

std::string format_plan(const RunPlan& plan, const RunConfig& config) {
  Table table;
  table.line("model",
             fmt::format("{}  {:.1f} M parameters",
                         config.model.path,
                         static_cast<double>(plan.parameters) / 1e6));
  table.line("machine",
             fmt::format("{}, {} threads, decoding in {}, training in {}, optimizer state {}",
                         plan.compute.device,
                         plan.compute.threads,
                         word_of(plan.compute.dtype),
                         word_of(plan.compute.train_dtype),
                         word_of(plan.compute.optimizer_state)));
  table.line("template", plan.chat_template);
  add_prompts(table, plan);
  add_round(table, plan, config);
  table.text += memory_line("generating", plan.decode_bytes, plan.memory_available);
  table.text += memory_line("training", plan.training.total(), plan.memory_available);
  table.line("", training_parts(plan));
  table.text += memory_line("disk", plan.disk_bytes, plan.disk_free);
  add_judge(table, plan, config);
  return table.text;
}

// Measures the machine for up to three seconds.
std::string time_line(const RunPlan& plan, const RunConfig& config) {
  const RoundTimes times = estimate_times(plan, config, measure_peak_rates(plan.compute));
  return fmt::format(
      "{:<16}a round: about {} of generating if every branch goes to its limit, {} of training; "
      "judging and held-out answers not counted\n"
      "{:<16}from this machine's rates, measured just now, at the share of them that {}\n",
      "time",
      format_duration(times.generate_s),
      format_duration(times.train_s),
      "",
      plan.compute.device == "cpu" ? "is usual" : "is usual on a CPU: none was measured on a GPU");
}

void plan_command(App& app, const PlanCommandOptions& options) {
  const RunConfig config = app.config();
  const RunPlan plan = make_plan(config, options.probe, app.clock, app.stop);
  print(format_plan(plan, config));
  if (plan.judge_problem) throw *plan.judge_problem;
  if (!plan.judge_probe.empty())
    fail(ExitCode::kJudge, "the judge did not answer: {}", plan.judge_probe);
  try {
    print(time_line(plan, config));
  } catch (const c10::OutOfMemoryError&) {
    log_warning("no time is estimated: the GPU has no memory left to be measured with");
  }
  print("next: the same words with `run` instead of `plan`\n");
}

void status_command(App&, const StatusCommandOptions& options) {
  print(format_status(read_status(options.run_dir)));
}

void inspect_command(App&, const InspectCommandOptions& options) {
  print(inspect_run(options.run_dir, options.inspect));
}

}  // namespace

void add_look_commands(App& app) {
  const auto plan_options = std::make_shared<PlanCommandOptions>();
  CLI::App* plan = add_command<PlanCommandOptions>(
      app,
      "plan",
      "checks everything and says what a run will take; writes nothing",
      plan_command,
      plan_options);
  plan->add_flag("--probe",
                 plan_options->probe,
                 "also ask the judge (a few tiny calls; exit 69 when it fails)");

  const auto status_options = std::make_shared<StatusCommandOptions>();
  CLI::App* status = add_command<StatusCommandOptions>(
      app,
      "status",
      "rounds and stages of a run: done, times, losses, scores, cost",
      status_command,
      status_options);
  status->add_option("RUN_DIR", status_options->run_dir, "the run folder")->required();

  const auto inspect_options = std::make_shared<InspectCommandOptions>();
  CLI::App* inspect =
      add_command<InspectCommandOptions>(app,
                                         "inspect",
                                         "what the model wrote: the candidates of a prompt, ranked",
                                         inspect_command,
                                         inspect_options);
  inspect->add_option("RUN_DIR", inspect_options->run_dir, "the run folder")->required();
  inspect->add_option(
      "--round", inspect_options->inspect.round, "which round (default: the newest)");
  inspect->add_option("--prompt", inspect_options->inspect.prompt_id, "a prompt's id");
  inspect->add_flag("--all", inspect_options->inspect.shows_all, "every branch in full");
}

}  // namespace thoughtrank
