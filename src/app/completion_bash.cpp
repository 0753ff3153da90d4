#include <spdlog/fmt/ranges.h>

#include "app/completion.h"
#include "app/texts.h"

namespace thoughtrank {

namespace {

const char* kind_word(ValueKind kind) {
  switch (kind) {
    case ValueKind::none:
    case ValueKind::anything:
      return "anything";
    case ValueKind::words:
      return "words";
    case ValueKind::file:
      return "file";
    case ValueKind::folder:
      return "folder";
    case ValueKind::setting:
      return "setting";
  }
  return "";
}

// `"ask --dtype") kind=words words="auto float32 bfloat16" ;;`; the program's own options may stand
// after any command.
std::string value_case(const std::string& command,
                       const std::string& name,
                       const OptionInfo& option) {
  if (option.kind == ValueKind::none) return "";
  return fmt::format("    {}\"{} {}\") kind={} words=\"{}\" ;;\n",
                     command.empty() ? "*" : "",
                     command,
                     name,
                     kind_word(option.kind),
                     fmt::join(option.words, " "));
}

std::string value_cases(const CommandInfo& program) {
  std::string cases;
  for (const CommandInfo* command : all_commands(program)) {
    if (!command->positionals.empty())
      cases += value_case(command->path, "1", command->positionals.front());
    for (const OptionInfo& option : command->options) {
      for (const std::string& name : option.names) cases += value_case(command->path, name, option);
    }
  }
  return cases;
}

std::string names_of(const std::vector<OptionInfo>& options) {
  std::vector<std::string> names;
  for (const OptionInfo& option : options)
    names.insert(names.end(), option.names.begin(), option.names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

std::string command_cases(const CommandInfo& program) {
  std::string cases;
  for (const CommandInfo* command : all_commands(program)) {
    if (command->commands.empty()) continue;
    std::string names;
    for (const CommandInfo& below : command->commands)
      names += (names.empty() ? "" : " ") + below.name();
    cases += fmt::format("    \"{}\") words=\"{}\" ;;\n", command->path, names);
  }
  return cases;
}

std::string option_cases(const CommandInfo& program) {
  std::string cases;
  for (const CommandInfo* command : all_commands(program)) {
    if (command->path.empty() || command->options.empty()) continue;
    cases +=
        fmt::format("    \"{}\") words+=\" {}\" ;;\n", command->path, names_of(command->options));
  }
  return cases;
}

}  // namespace

std::string bash_completion(const CommandInfo& program, const std::vector<Setting>& settings) {
  std::string keys;
  std::string words;
  for (const Setting& setting : settings) {
    keys += (keys.empty() ? "" : " ") + setting.key + "=";
    if (setting.words.empty()) continue;
    words += fmt::format("    {}) words=\"{}\" ;;\n", setting.key, fmt::join(setting.words, " "));
  }
  return fill_in(find_text("completion/bash"),
                 {{"VALUES", value_cases(program)},
                  {"COMMANDS", command_cases(program)},
                  {"COMMON", names_of(program.options)},
                  {"OPTIONS", option_cases(program)},
                  {"SETTINGS", words},
                  {"KEYS", keys}});
}

}  // namespace thoughtrank
