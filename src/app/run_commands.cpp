// run, generate, judge, train, select.
#include "app/command.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/pipeline/fork.h"
#include "thoughtrank/pipeline/run.h"
#include "thoughtrank/pipeline/select_again.h"
#include "thoughtrank/pipeline/train_file.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {

namespace {

constexpr const char* kGenerateDetails =
    "Writes round-NN/outputs.jsonl. Next: thoughtrank judge --config …\n\n"
    "--verify writes nothing. It decodes the branches of the config's first prompts (--limit N, "
    "default 1) with the\n"
    "config's model, dtype, slots and threads, then again in other orders, among random "
    "neighbours, "
    "with the prompt\n"
    "copied into each branch, and with other slots and threads, and compares each token's id, "
    "log-probability and\n"
    "margin bit by bit. In float32 all must be equal; in bfloat16 those at the same slots and "
    "threads but for the\ncopied prompt. Exit 70 if not.\n"
    "Example: thoughtrank generate --verify --config round.yaml --set model.dtype=float32";

struct RunCommandOptions {
  std::string fork_from;
  int64_t round = 1;
  BatchFiles batch;
};

struct JudgeCommandOptions {
  std::optional<int64_t> round;
  BatchFiles batch;
};

struct GenerateCommandOptions {
  std::optional<int64_t> round;
  bool is_verification = false;
  int64_t verify_tokens = 32;
};

struct TrainCommandOptions {
  std::optional<int64_t> round;
  std::string data;
  std::string out;
};

struct SelectCommandOptions {
  int64_t round = 1;
  std::string out;
};

// Does `work`, or says what to do with the calls that it wrote to a batch file; `again`: the
// command that goes on.
template <class Work>
void work_with_batches(const std::string& again, const fs::path& file, const Work& work) {
  try {
    work();
  } catch (const BatchWritten& written) {
    print(fmt::format("{} calls are in {}\n", written.calls(), file.string()));
    if (written.exported_before() > 0) {
      print(
          fmt::format("{} of them were exported before and have no result: whoever works on that "
                      "file is paid twice if this one is handed in, too\n",
                      written.exported_before()));
    }
    print(
        fmt::format("next: hand the file to your provider's batch service, then thoughtrank {} "
                    "--import RESULTS --export {} --config …\n",
                    again,
                    file.string()));
  }
}

void run_command(App& app, const RunCommandOptions& options) {
  const RunConfig config = app.config();
  if (!options.fork_from.empty()) {
    fork_run(config, {.from = options.fork_from, .round = options.round});
  }
  work_with_batches("run", options.batch.to, [&] {
    const bool has_worked = run_rounds(config, app.clock, app.stop, options.batch);
    if (!has_worked) log_info("all {} rounds were finished already", config.rounds);
    print(format_status(read_status(config.run_dir)));
  });
}

void run_stage_command(App& app, Stage stage, const std::optional<int64_t>& round) {
  const RunConfig config = app.config();
  run_one_stage(config, stage, round, app.clock, app.stop);
  print(format_status(read_status(config.run_dir)));
}

void judge_command(App& app, const JudgeCommandOptions& options) {
  const RunConfig config = app.config();
  work_with_batches("judge", options.batch.to, [&] {
    run_one_stage(config, Stage::judge, options.round, app.clock, app.stop, options.batch);
    print(format_status(read_status(config.run_dir)));
  });
}

void generate_command(App& app, const GenerateCommandOptions& options) {
  if (options.is_verification) return verify_command(app, options.verify_tokens);
  run_stage_command(app, Stage::generate, options.round);
}

void train_command(App& app, const TrainCommandOptions& options) {
  if (options.data.empty() != options.out.empty()) {
    fail(ExitCode::kUsage, "train: --data FILE and --out DIR go together");
  }
  if (options.data.empty()) return run_stage_command(app, Stage::train, options.round);
  const TrainFileResult result =
      train_file(app.config(), options.data, options.out, app.clock, app.stop);
  print(
      fmt::format("{} rows, {} steps, loss {:.4f} -> {:.4f}\nmetrics: {}\ncheckpoint: {}\n"
                  "next: thoughtrank ask --model {} \"…\"\n",
                  result.rows,
                  result.steps,
                  result.loss_before,
                  result.loss_after,
                  train_file_target(options.out).metrics.string(),
                  options.out,
                  options.out));
}

void select_command(App& app, const SelectCommandOptions& options) {
  const Json counts = select_again(app.config(), options.round, options.out);
  for (const auto& [status, count] : counts.items())
    print(fmt::format("{:<14}{}\n", status, dump_json(count)));
  print(fmt::format("next: thoughtrank train --config … --data {}/{} --out DIR\n",
                    options.out,
                    file_name(RoundFile::training_data)));
}

void add_round_option(CLI::App& command, std::optional<int64_t>& round) {
  command.add_option("--round", round, "which round (default: the first unfinished one)")
      ->check(CLI::Range(1, 99));
}

void add_generate_command(App& app) {
  const auto options = std::make_shared<GenerateCommandOptions>();
  CLI::App* command = add_command<GenerateCommandOptions>(
      app,
      "generate",
      "one round's branches: 62 thoughts and answers for each prompt",
      kGenerateDetails,
      generate_command,
      options);
  add_round_option(*command, options->round);
  CLI::Option* verify = command->add_flag("--verify",
                                          options->is_verification,
                                          "decode in ways that must not matter, compare the bits");
  verify->excludes("--round");
  command
      ->add_option("--verify-tokens",
                   options->verify_tokens,
                   "new tokens of each branch that --verify compares (default: 32)")
      ->check(CLI::Range(1, 1 << 20))
      ->needs(verify);
}

void add_batch_options(CLI::App& command, BatchFiles& batch) {
  command.add_option("--import", batch.from, "take the results of a batch file");
  command.add_option("--export", batch.to, "write the judge's calls to this batch file");
  command.add_flag("--discard-batch",
                   batch.is_discarded,
                   "give up exported calls without results; they may be asked (and paid) again");
}

void add_judge_command(App& app) {
  const auto options = std::make_shared<JudgeCommandOptions>();
  CLI::App* command = add_command<JudgeCommandOptions>(
      app,
      "judge",
      "one round's ranking: the judge orders the answers, winners are selected",
      "Reads outputs.jsonl; writes verdicts, best_outputs, training_data. Next: thoughtrank train "
      "--config …\n\n"
      "--export FILE sends nothing: the calls that are due go into FILE as a provider's batch file "
      "(OpenAI, Anthropic).\n"
      "--import RESULTS takes the batch's results; with --export FILE as well, the next calls go "
      "into FILE, until\n"
      "none are left and the round is finished: about eight times. `run` takes the same options "
      "and "
      "goes on with training\nand the held-out comparison, whose calls are the file after that.",
      judge_command,
      options);
  add_round_option(*command, options->round);
  add_batch_options(*command, options->batch);
}

}  // namespace

void add_run_commands(App& app) {
  const auto run_options = std::make_shared<RunCommandOptions>();
  CLI::App* run = add_command<RunCommandOptions>(
      app,
      "run",
      "all stages of all rounds, in order; the same command resumes whatever stopped",
      "Reads the config, writes its run_dir. Ctrl-C is safe: finished branches, judge calls and "
      "optimizer states are kept.\nExample: thoughtrank run --config configs/quickstart.yaml\n\n"
      "--export FILE asks no judge: it stops where judging is due, with the calls in FILE; "
      "--import "
      "RESULTS --export FILE\ngoes on from there (see `judge --help`).\n\n"
      "--fork-from RUN --round N makes run_dir a new run that takes over RUN's rounds before N, "
      "and N's branches where the\nnew config would generate the same: nothing is computed or paid "
      "twice. Model, prompts, seed and template must be\nthe same.\nExample: thoughtrank run "
      "--config new.yaml --fork-from "
      "runs/first --round 3",
      run_command,
      run_options);
  CLI::Option* fork =
      run->add_option("--fork-from", run_options->fork_from, "take over rounds of this run folder");
  CLI::Option* fork_round =
      run->add_option("--round", run_options->round, "with --fork-from: the first round made anew")
          ->check(CLI::Range(1, 99));
  fork->needs(fork_round);
  fork_round->needs(fork);
  add_batch_options(*run, run_options->batch);
  add_generate_command(app);
  add_judge_command(app);
  const auto train_options = std::make_shared<TrainCommandOptions>();
  CLI::App* train = add_command<TrainCommandOptions>(
      app,
      "train",
      "one round's fine-tuning, or (--data) fine-tuning on any file of training rows",
      "Writes round-NN/checkpoint, a Hugging Face folder. With --data FILE --out DIR the config "
      "gives model and train\noptions, and DIR becomes the checkpoint. Beside it stand "
      "DIR.metrics.jsonl, one row a step, DIR.quarantine.jsonl,\nif steps were skipped, and, "
      "until it is finished, .work-DIR, from which the same command goes on.\n"
      "train.max_heldout_worse then asks for an answer with every held-out prompt of "
      "prompts.path.",
      train_command,
      train_options);
  add_round_option(*train, train_options->round);
  train->add_option(
      "--data", train_options->data, "rows as in training_data.jsonl; input_ids may be missing");
  train->add_option("--out", train_options->out, "the checkpoint folder to make");
  const auto select_options = std::make_shared<SelectCommandOptions>();
  CLI::App* select = add_command<SelectCommandOptions>(
      app,
      "select",
      "winners and training rows anew from verdicts already paid for",
      "Uses select.* and judge.drop.* of the config; no judge call, no generation.\n"
      "Example: thoughtrank select --config round.yaml --round 1 --out stricter --set "
      "select.min_confidence=0.9",
      select_command,
      select_options);
  select->add_option("--round", select_options->round, "which round")
      ->required()
      ->check(CLI::Range(1, 99));
  select->add_option("--out", select_options->out, "where the files go")->required();
}

}  // namespace thoughtrank
