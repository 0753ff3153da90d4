// The program's commands and options as plain values, read from the CLI11 tree that also parses
// the command line: the manual page and the shells' completions are made from them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace thoughtrank {

// What a shell offers as the value of an option.
enum class ValueKind { none, anything, words, file, folder, setting };

struct OptionInfo {
  std::vector<std::string> names = {};  // "-v", "--verbose"; a positional has one, without a dash
  std::string value = {};               // what --help calls the value: "FILE"; empty for a flag
  ValueKind kind = ValueKind::none;
  std::vector<std::string> words = {};  // of ValueKind::words
  std::string meaning = {};
  bool is_required = false;
  bool is_repeatable = false;
};

struct CommandInfo {
  std::string path = {};  // "bench decode"; empty for the program itself
  std::string meaning = {};
  std::vector<OptionInfo> options = {};
  std::vector<OptionInfo> positionals = {};
  std::vector<CommandInfo> commands = {};

  // The last word of the path.
  [[nodiscard]] std::string name() const;
};

// Reads the whole tree; options that CLI11 gives every command (--help) are the program's only.
[[nodiscard]] CommandInfo read_commands(const CLI::App& program);

// `root` and all commands below it, each before those below it.
[[nodiscard]] std::vector<const CommandInfo*> all_commands(const CommandInfo& root);

}  // namespace thoughtrank
