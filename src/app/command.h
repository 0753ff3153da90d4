// A command of the program: its CLI11 subcommand is declared with its help, its work is a function
// that runs after parsing. One file per group of commands; app knows every room and contains no
// logic of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/help.h"
#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

// What signals set. A signal may still come while the process exits and every other object is gone.
inline StopFlag& stop_of_process() {
  static StopFlag flag;  // never destroyed
  return flag;
}

// What every command shares.
struct App {
  CLI::App cli;
  SystemClock clock;
  StopFlag& stop = stop_of_process();
  ConfigSource source;              // --config, --set
  std::optional<int64_t> limit;     // --limit
  std::string log_format = "text";  // --log-format
  bool is_verbose = false;          // -v
  bool is_quiet = false;            // -q
  std::function<void()> work;       // of the command that was given

  // The config of --config and --set with --limit applied. Error(kUsage) without --config where one
  // is needed.
  [[nodiscard]] RunConfig config() const;
  // With --limit applied.
  [[nodiscard]] RunConfig limited(RunConfig config) const;
};

// Of a command that has none of its own.
struct NoOptions {};

// Adds a command whose options are in `Options`; `work` runs with them after parsing. What its
// --help says beside its options is src/app/help/commands/NAME.md.
template <class Options>
CLI::App* add_command(App& app,
                      const std::string& name,
                      const std::string& description,
                      std::function<void(App&, const Options&)> work,
                      const std::shared_ptr<Options>& options) {
  CLI::App* command = app.cli.add_subcommand(name, description);
  command->footer(command_footer(name));
  command->fallthrough();
  command->callback(
      [&app, work, options] { app.work = [&app, work, options] { work(app, *options); }; });
  return command;
}

// Adds an option that takes a word of the table.
template <class Enum, size_t N>
CLI::Option* add_choice(CLI::App& command,
                        const std::string& name,
                        Enum& value,
                        const EnumWords<Enum, N>& words,
                        const std::string& description) {
  std::vector<std::string> allowed;
  for (const EnumWord<Enum>& entry : words) allowed.emplace_back(entry.word);
  return command
      .add_option_function<std::string>(
          name,
          [&value, &words](const std::string& word) { value = value_of(word, words).value(); },
          description)
      ->check(CLI::IsMember(allowed))
      ->default_str(word_of(value, words));
}

void add_run_commands(App& app);        // run, generate, judge, train, select
void add_look_commands(App& app);       // plan, status, inspect
void add_model_commands(App& app);      // sample, ask, tokenize
void add_setup_commands(App& app);      // config, doctor, init
void add_bench_command(App& app);       // bench decode
void add_judge_test_command(App& app);  // judge-test
void add_study_command(App& app);       // study
void add_help_commands(App& app);       // help, man, completion

void verify_command(App& app, int64_t new_tokens);  // generate --verify

// stdout, where results go; flushed.
void print(const std::string& text);
[[nodiscard]] bool stdout_is_terminal();

}  // namespace thoughtrank
