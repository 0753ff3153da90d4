#include <spdlog/fmt/ranges.h>

#include "app/completion.h"
#include "app/texts.h"

namespace thoughtrank {

namespace {

std::string quoted(const std::string& text) {
  std::string shown;
  for (const char c : text) shown += (c == '\'' || c == '\\' ? "\\" : "") + std::string(1, c);
  return "'" + shown + "'";
}

// What `complete` is told of a value: -r wants one, -F offers files, -x wants one and offers none.
std::string value_words(const OptionInfo& option) {
  switch (option.kind) {
    case ValueKind::none:
      return "";
    case ValueKind::anything:
      return " -x";
    case ValueKind::words:
      return fmt::format(" -x -a {}", quoted(fmt::format("{}", fmt::join(option.words, " "))));
    case ValueKind::file:
      return " -r -F";
    case ValueKind::folder:
      return " -x -a '(__fish_complete_directories)'";
    case ValueKind::setting:
      return " -x -a '(__thoughtrank_settings)'";
  }
  return "";
}

std::string option_line(const CommandInfo& command, const OptionInfo& option) {
  std::string line = "complete -c thoughtrank";
  if (!command.path.empty())
    line += fmt::format(" -n {}", quoted("__thoughtrank_at " + quoted(command.path)));
  for (const std::string& name : option.names)
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  return line + value_words(option) + " -d " + quoted(option.meaning) + "\n";
}

std::string lines_of(const CommandInfo& command) {
  const std::string at = fmt::format("complete -c thoughtrank -n {}",
                                     quoted("__thoughtrank_at " + quoted(command.path)));
  std::string lines;
  for (const OptionInfo& option : command.options) lines += option_line(command, option);
  for (const OptionInfo& positional : command.positionals) {
    if (positional.kind != ValueKind::anything) lines += at + value_words(positional) + "\n";
  }
  for (const CommandInfo& below : command.commands)
    lines += fmt::format("{} -a {} -d {}\n", at, below.name(), quoted(below.meaning));
  return lines;
}

// The program's own options that take a value: they may stand before a command.
std::string valued(const CommandInfo& program) {
  std::vector<std::string> names;
  for (const OptionInfo& option : program.options) {
    if (option.kind != ValueKind::none)
      names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return fmt::format("{}", fmt::join(names, " "));
}

}  // namespace

std::string fish_completion(const CommandInfo& program, const std::vector<Setting>& settings) {
  std::string paths;
  std::string options;
  for (const CommandInfo* command : all_commands(program)) {
    if (!command->path.empty()) paths += (paths.empty() ? "" : " ") + quoted(command->path);
    options += lines_of(*command);
  }
  std::string keys;
  std::string words;
  for (const Setting& setting : settings) {
    keys += fmt::format(" \\\n        {} {}", setting.key, quoted(setting.meaning));
    if (setting.words.empty()) continue;
    words += fmt::format("            case {}\n                set words {}\n",
                         setting.key,
                         fmt::join(setting.words, " "));
  }
  return fill_in(find_text("completion/fish"),
                 {{"COMMANDS", paths},
                  {"VALUED", valued(program)},
                  {"SETTINGS", words},
                  {"KEYS", keys},
                  {"OPTIONS", options}});
}

}  // namespace thoughtrank
