// thoughtrank: parses the command line, runs one command, and turns what was thrown into a message
// and an exit code.
#include <c10/util/Exception.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>

#include "app/command.h"
#include "app/standard_streams.h"
#include "app/texts.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/pipeline/version.h"

namespace thoughtrank {

namespace {

constexpr const char* kDescription =
    "Makes a Llama model think before it answers, in rounds: 62 thoughts for each prompt, an "
    "outside judge ranks\n"
    "the answers without seeing the thoughts, and the model is fine-tuned on the winners.";

void declare(App& app) {
  app.cli.name("thoughtrank");
  app.cli.description(kDescription);
  app.cli.footer(without_fences(command_details("thoughtrank")));
  app.cli.require_subcommand(1);
  app.cli.set_version_flag("--version", kVersion);
  app.cli.add_option("--config", app.source.file, "the run's YAML file")->type_name("FILE");
  app.cli.add_option("--set", app.source.sets, "one value instead of the file's (repeatable)")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  app.cli
      .add_option(
          "--limit",
          app.limit,
          "only the first N prompts of each round, held out and of each task (a run that began "
          "with it goes on with it)")
      ->check(CLI::PositiveNumber);
  app.cli.add_option("--log-format", app.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.cli.add_flag("-v,--verbose", app.is_verbose, "more log lines");
  app.cli.add_flag("-q,--quiet", app.is_quiet, "warnings and errors only, no progress line");
  add_run_commands(app);
  add_look_commands(app);
  add_model_commands(app);
  add_setup_commands(app);
  add_bench_command(app);
  add_study_command(app);
  add_judge_test_command(app);
  add_help_commands(app);
}

// A value that is given and not read would be believed.
void refuse_unread_config(const App& app) {
  if (app.source.file.empty() && app.source.sets.empty() && !app.limit) return;
  for (const char* name : {"status",
                           "inspect",
                           "sample",
                           "ask",
                           "tokenize",
                           "bench",
                           "init",
                           "help",
                           "man",
                           "completion"}) {
    if (!app.cli.got_subcommand(name)) continue;
    fail(ExitCode::kUsage,
         "{0} reads no config: --config, --set and --limit would change nothing. Its own options: "
         "thoughtrank {0} --help",
         name);
  }
}

void prepare(App& app) {
  const auto format = app.log_format == "json" ? LogFormat::json : LogFormat::text;
  const auto level = app.is_verbose ? LogLevel::debug
                     : app.is_quiet ? LogLevel::warning
                                    : LogLevel::info;
  start_log(format, level);
  show_progress(!app.is_quiet);
  install_signal_handlers(app.stop);
}

int report(const std::string& message, ExitCode code) {
  log_line(LogLevel::error, message);
  return static_cast<int>(code);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Libraries between here and an allocation need not survive an exception: some crash. To end at
// once is as safe as a kill, and this needs no memory.
[[noreturn]] void end_without_memory() {
  static constexpr char kMessage[] =
      "out of memory: lower generate.slots or train.sequence_length; run again to resume\n";
  (void)!::write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  ::_exit(static_cast<int>(ExitCode::kInternal));
}

// What is thrown in a thread of a library, or where nothing may be thrown.
[[noreturn]] void end_uncaught() noexcept {
  std::string what = "an exception that nothing could catch";
  try {
    if (const std::exception_ptr error = std::current_exception()) std::rethrow_exception(error);
  } catch (const Error& error) {
    ::_exit(report(error.what(), error.code()));
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {  // nothing more is known
  }
  ::_exit(report(first_line(what) + "; run again to resume", ExitCode::kInternal));
}

// "/runs/x: cannot create directories: Not a directory"
std::string describe(const std::filesystem::filesystem_error& error) {
  const std::string what = error.what();  // "filesystem error: cannot …: reason [path]"
  const size_t from = what.find("cannot "), to = what.find(':', from);
  const std::string did = from == std::string::npos || to == std::string::npos
                              ? "cannot be used"
                              : what.substr(from, to - from);
  const std::string path = error.path1().empty() ? "an empty path" : error.path1().string();
  return fmt::format("{}: {}: {}", path, did, error.code().message());
}

int run(int count, char** words) {
  App app;
  declare(app);
  try {
    app.cli.parse(count, words);
  } catch (const CLI::ParseError& error) {
    return app.cli.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  prepare(app);
  try {
    refuse_unread_config(app);
    app.work();
    return 0;
  } catch (const Error& error) {
    return report(error.what(), error.code());
  } catch (const std::bad_alloc&) {  // where memory does not come from operator new
    end_without_memory();
  } catch (const c10::OutOfMemoryError& error) {
    return report(first_line(error.what_without_backtrace()), ExitCode::kDevice);
  } catch (const c10::AcceleratorError& error) {  // it stays until the process ends
    return report(first_line(error.what_without_backtrace()) +
                      "; nothing is lost: run again, and if it comes back, look at the device",
                  ExitCode::kDevice);
  } catch (const c10::Error& error) {
    return report(first_line(error.what_without_backtrace()), ExitCode::kInternal);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(describe(error), ExitCode::kIo);
  } catch (const std::exception& error) {
    return report(error.what(), ExitCode::kInternal);
  }
}

}  // namespace

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ExitCode::kIo, "stdout could not be written");
  }
}

namespace {

// Studies name their folder by a key that runs do not have.
bool is_study(const std::string& file) {
  if (file.empty() || !std::filesystem::exists(file)) return false;
  const std::string text = "\n" + read_file(file);
  return text.find("\nstudy_dir:") != std::string::npos;
}

}  // namespace

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

RunConfig App::config() const {
  try {
    return limited(load_config(source));
  } catch (const Error& error) {
    if (error.code() != ExitCode::kConfig || !is_study(source.file)) throw;
    throw Error(error.code(),
                fmt::format("{0} is the file of a study, not of a run: `thoughtrank study --config "
                            "{0}`. As a run's:\n{1}",
                            source.file,
                            error.what()));
  }
}

RunConfig App::limited(RunConfig config) const {
  if (limit) {
    config.prompts.per_round =
        config.prompts.per_round == 0 ? *limit : std::min(config.prompts.per_round, *limit);
    config.prompts.holdout = std::min(config.prompts.holdout, *limit);
    for (TaskOptions& task : config.evaluate.tasks) {
      task.prompts = task.prompts == 0 ? *limit : std::min(task.prompts, *limit);
    }
  }
  return config;
}

}  // namespace thoughtrank

int main(int count, char** words) {
  thoughtrank::open_standard_streams();  // first: before any file is opened
  std::set_new_handler(thoughtrank::end_without_memory);
  std::set_terminate(thoughtrank::end_uncaught);
  return thoughtrank::run(count, words);
}
