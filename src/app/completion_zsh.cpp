#include <spdlog/fmt/ranges.h>

#include "app/completion.h"
#include "app/texts.h"

namespace thoughtrank {

namespace {

// Within single quotes, with a backslash before each of `special`.
std::string quoted(const std::string& text, const std::string& special) {
  std::string shown;
  for (const char c : text) {
    if (c == '\'') {
      shown += "'\\''";
    } else {
      shown += (special.find(c) == std::string::npos ? "" : "\\") + std::string(1, c);
    }
  }
  return shown;
}

// ":FILE:_files"; nothing for a flag.
std::string action(const OptionInfo& option) {
  switch (option.kind) {
    case ValueKind::none:
      return "";
    case ValueKind::anything:
      return fmt::format(":{}: ", option.value);
    case ValueKind::words:
      return fmt::format(":{}:({})", option.value, fmt::join(option.words, " "));
    case ValueKind::file:
      return fmt::format(":{}:_files", option.value);
    case ValueKind::folder:
      return fmt::format(":{}:_files -/", option.value);
    case ValueKind::setting:
      return ":key=value:_thoughtrank_setting";
  }
  return "";
}

// What _arguments is told of an option: one word for each of its names, which exclude each other.
std::string option_words(const OptionInfo& option) {
  const std::string others =
      option.is_repeatable ? "*" : fmt::format("({})", fmt::join(option.names, " "));
  std::string words;
  for (const std::string& name : option.names) {
    const bool takes_equals = option.kind != ValueKind::none && name.starts_with("--");
    words += fmt::format(" \\\n    '{}{}{}[{}]{}'",
                         others,
                         name,
                         takes_equals ? "=" : "",
                         quoted(option.meaning, "[]"),
                         action(option));
  }
  return words;
}

std::string function_name(const std::string& path) {
  std::string name = "_thoughtrank" + (path.empty() ? "" : " " + path);
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
}

// The part of a function that offers the commands below and goes on with the one that is there.
std::string below(const CommandInfo& command) {
  std::string list;
  std::string cases;
  for (const CommandInfo& inner : command.commands) {
    list += fmt::format("    '{}:{}'\n", inner.name(), quoted(inner.meaning, ""));
    cases += fmt::format("        {}) {} ;;\n", inner.name(), function_name(inner.path));
  }
  return fmt::format(
      " \\\n    '1:command:->command' '*::argument:->argument'\n"
      "  local -a commands=(\n{}  )\n"
      "  case $state in\n"
      "    command) _describe -t commands command commands ;;\n"
      "    argument)\n      case $line[1] in\n{}      esac\n      ;;\n"
      "  esac\n",
      list,
      cases);
}

std::string function(const CommandInfo& command, const std::vector<OptionInfo>& common) {
  std::string text = function_name(command.path) + "() {\n";
  if (!command.commands.empty()) {
    text +=
        "  local curcontext=\"$curcontext\" context state state_descr line\n"
        "  typeset -A opt_args\n";
  }
  text += command.commands.empty() ? "  _arguments -s" : "  _arguments -s -C";
  for (const OptionInfo& option : common) text += option_words(option);
  if (!command.path.empty()) {
    for (const OptionInfo& option : command.options) text += option_words(option);
  }
  for (const OptionInfo& positional : command.positionals)
    text += fmt::format(" \\\n    ':{}'", action(positional).substr(1));
  return text + (command.commands.empty() ? "\n" : below(command)) + "}\n\n";
}

}  // namespace

std::string zsh_completion(const CommandInfo& program, const std::vector<Setting>& settings) {
  std::string functions;
  for (const CommandInfo* command : all_commands(program))
    functions += function(*command, program.options);
  std::string keys;
  std::string words;
  for (const Setting& setting : settings) {
    keys += fmt::format("      '{}:{}'\n", setting.key, quoted(setting.meaning, ""));
    if (setting.words.empty()) continue;
    words +=
        fmt::format("      {}) compadd -- {} ;;\n", setting.key, fmt::join(setting.words, " "));
  }
  return fill_in(find_text("completion/zsh"),
                 {{"SETTINGS", words}, {"KEYS", keys}, {"FUNCTIONS", functions}});
}

}  // namespace thoughtrank
