// run, generate, judge, train, select.
#include "app/command.h"
#include "app/ranks.h"
#include "thoughtrank/data/run_folder.h"
#include "thoughtrank/pipeline/fork.h"
#include "thoughtrank/pipeline/run.h"
#include "thoughtrank/pipeline/select_again.h"
#include "thoughtrank/pipeline/train_file.h"
#include "thoughtrank/report/status.h"

namespace thoughtrank {

namespace {

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
  require_one_rank();
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
  require_one_rank();
  const RunConfig config = app.config();
  run_one_stage(config, stage, round, app.clock, app.stop);
  print(format_status(read_status(config.run_dir)));
}

void judge_command(App& app, const JudgeCommandOptions& options) {
  require_one_rank();
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
  require_one_rank();
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
  const Json counts = select_again(app.config(), options.round, options.out, app.clock, app.stop);
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
  command.add_option("--import", batch.from, "take the results of a batch file")->type_name("FILE");
  command.add_option("--export", batch.to, "write the judge's calls to this batch file")
      ->type_name("FILE");
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
      run_command,
      run_options);
  CLI::Option* fork =
      run->add_option("--fork-from", run_options->fork_from, "take over rounds of this run folder")
          ->type_name("DIR")
          ->check([](const std::string& folder) {
            return folder.empty() ? "expected a run folder, found an empty text" : "";
          });
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
      train_command,
      train_options);
  add_round_option(*train, train_options->round);
  train
      ->add_option(
          "--data", train_options->data, "rows as in training_data.jsonl; input_ids may be missing")
      ->type_name("FILE");
  train->add_option("--out", train_options->out, "the checkpoint folder to make")->type_name("DIR");
  const auto select_options = std::make_shared<SelectCommandOptions>();
  CLI::App* select = add_command<SelectCommandOptions>(
      app,
      "select",
      "winners and training rows anew from verdicts already paid for",
      select_command,
      select_options);
  select->add_option("--round", select_options->round, "which round")
      ->required()
      ->check(CLI::Range(1, 99));
  select->add_option("--out", select_options->out, "where the files go")
      ->type_name("DIR")
      ->required();
}

}  // namespace thoughtrank
