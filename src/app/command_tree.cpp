#include "app/command_tree.h"

#include <sstream>

namespace thoughtrank {

namespace {

// "TEXT:{text,json}" -> text, json: CLI11 hands on what IsMember allows in no other form.
std::vector<std::string> words_of(const std::string& type) {
  const size_t open = type.find('{');
  const size_t close = type.rfind('}');
  std::vector<std::string> words;
  if (open == std::string::npos || close == std::string::npos) return words;
  std::istringstream stream(type.substr(open + 1, close - open - 1));
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

ValueKind kind_of(const std::string& label, const std::vector<std::string>& words) {
  if (!words.empty()) return ValueKind::words;
  if (label.ends_with("FILE")) return ValueKind::file;
  if (label.ends_with("DIR")) return ValueKind::folder;
  return label == "KEY=VALUE" ? ValueKind::setting : ValueKind::anything;
}

OptionInfo read_option(const CLI::Option& option) {
  OptionInfo info = {.meaning = option.get_description(),
                     .is_required = option.get_required(),
                     .is_repeatable = option.get_expected_max() > 1};
  if (option.get_positional()) info.names = {option.get_name()};
  for (const std::string& name : option.get_snames()) info.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) info.names.push_back("--" + name);
  const std::string type = option.get_type_name();
  if (type.empty()) return info;  // a flag
  info.words = words_of(type);
  info.value =
      option.get_positional() ? option.get_name() : type.substr(0, type.find_first_of(": "));
  info.kind = kind_of(info.value, info.words);
  return info;
}

CommandInfo read_command(const CLI::App& command, const std::string& path) {
  CommandInfo info = {.path = path, .meaning = command.get_description()};
  for (const CLI::Option* option : command.get_options()) {
    if (option == command.get_help_ptr() && !path.empty()) continue;
    (option->get_positional() ? info.positionals : info.options).push_back(read_option(*option));
  }
  const auto is_named = [](const CLI::App* below) { return !below->get_name().empty(); };
  for (const CLI::App* below : command.get_subcommands(is_named)) {
    info.commands.push_back(
        read_command(*below, path.empty() ? below->get_name() : path + " " + below->get_name()));
  }
  return info;
}

}  // namespace

std::string CommandInfo::name() const { return path.substr(path.rfind(' ') + 1); }

CommandInfo read_commands(const CLI::App& program) { return read_command(program, ""); }

std::vector<const CommandInfo*> all_commands(const CommandInfo& root) {
  std::vector<const CommandInfo*> all = {&root};
  for (const CommandInfo& below : root.commands) {
    for (const CommandInfo* command : all_commands(below)) all.push_back(command);
  }
  return all;
}

}  // namespace thoughtrank
