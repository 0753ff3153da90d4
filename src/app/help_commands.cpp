// help, man, completion: what the program says of itself.
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "app/command.h"
#include "app/completion.h"
#include "app/help.h"
#include "app/manual.h"
#include "thoughtrank/config/nearest.h"

namespace thoughtrank {

namespace {

struct HelpOptions {
  std::string topic;
};

struct CompletionOptions {
  std::string shell;
};

std::vector<std::string> topic_names() {
  std::vector<std::string> names;
  for (const Topic& topic : topics()) names.push_back(topic.name);
  return names;
}

std::string topic_list() {
  std::string list;
  for (const Topic& topic : topics()) list += fmt::format("  {:<12}{}\n", topic.name, topic.title);
  return list +
         "\nthoughtrank help TOPIC shows one; thoughtrank COMMAND --help shows a command's "
         "options\n";
}

// Knows the topics by name, so that completions and --help list them; the message guesses.
CLI::Validator is_topic() {
  const auto problem = [](const std::string& word) -> std::string {
    const std::vector<std::string> names = topic_names();
    if (std::find(names.begin(), names.end(), word) != names.end()) return "";
    return fmt::format("no topic '{}'{}; there are {}, and --help of each command",
                       word,
                       did_you_mean(nearest(word, names)),
                       fmt::join(names, ", "));
  };
  return {[problem](std::string& word) { return problem(word); },
          fmt::format("{{{}}}", fmt::join(topic_names(), ","))};
}

void help_command(App&, const HelpOptions& options) {
  print(options.topic.empty() ? topic_list() : topic_text(options.topic));
}

void man_command(App& app, const NoOptions&) {
  print(manual_page(read_commands(app.cli), settings()));
}

void completion_command(App& app, const CompletionOptions& options) {
  const CommandInfo program = read_commands(app.cli);
  const auto made = options.shell == "bash"  ? bash_completion
                    : options.shell == "zsh" ? zsh_completion
                                             : fish_completion;
  print(made(program, settings()));
}

}  // namespace

void add_help_commands(App& app) {
  const auto help_options = std::make_shared<HelpOptions>();
  add_command<HelpOptions>(
      app, "help", "a longer text on a topic; without one: the topics", help_command, help_options)
      ->add_option("TOPIC", help_options->topic, "which text")
      ->check(is_topic());
  add_command<NoOptions>(app,
                         "man",
                         "this program's manual page on stdout",
                         man_command,
                         std::make_shared<NoOptions>());
  const auto completion_options = std::make_shared<CompletionOptions>();
  add_command<CompletionOptions>(app,
                                 "completion",
                                 "completion of commands, options and config keys for a shell",
                                 completion_command,
                                 completion_options)
      ->add_option("SHELL", completion_options->shell, "which shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace thoughtrank
