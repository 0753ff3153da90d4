#include "app/manual.h"

#include <spdlog/fmt/ranges.h>

#include "app/help.h"
#include "app/texts.h"
#include "thoughtrank/core/exit_codes.h"
#include "thoughtrank/pipeline/version.h"

namespace thoughtrank {

namespace {

// One character above ASCII as \[uXXXX], which groff reads in every locale; `at` moves behind it.
std::string escaped_character(const std::string& text, size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at++]);
  const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
  uint32_t point = byte & (0x3Fu >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3Fu);
  return fmt::format("\\[u{:04X}]", point);
}

// Text that roff takes literally: no escape, no request at the start of a line. A dash is one that
// can be copied.
std::string roff(const std::string& text) {
  std::string shown;
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) >= 0x80) {
      shown += escaped_character(text, at);
      continue;
    }
    const char c = text[at++];
    if ((c == '.' || c == '\'') && (shown.empty() || shown.back() == '\n')) shown += "\\&";
    shown += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  }
  return shown;
}

// The details of a command: paragraphs, and code as it stands.
std::string roff_of_markdown(const std::string& markdown) {
  std::string text;
  bool is_code = false;
  for (const std::string& line : lines_of(markdown)) {
    if (line.starts_with("```")) {
      text += is_code ? ".EE\n.RE\n" : ".RS 4\n.EX\n";
      is_code = !is_code;
    } else {
      text += line.empty() && !is_code ? ".PP\n" : roff(line) + "\n";
    }
  }
  return text;
}

std::string value_text(const OptionInfo& option) {
  return option.words.empty() ? option.value : fmt::format("{}", fmt::join(option.words, "|"));
}

// ".TP", the names, then the meaning.
std::string option_entry(const OptionInfo& option) {
  std::string names;
  for (const std::string& name : option.names)
    names += (names.empty() ? "" : ", ") + ("\\fB" + roff(name) + "\\fR");
  const bool is_positional = !option.names.front().starts_with("-");
  const bool shows_value = option.kind != ValueKind::none && !is_positional;
  const std::string value = shows_value ? " \\fI" + roff(value_text(option)) + "\\fR" : "";
  return fmt::format(".TP\n{}{}\n{}\n", names, value, roff(option.meaning));
}

std::string synopsis(const CommandInfo& command) {
  std::string words = "thoughtrank " + command.path;
  for (const OptionInfo& option : command.options) {
    if (option.is_required) words += " " + option.names.back() + " " + option.value;
  }
  for (const OptionInfo& positional : command.positionals)
    words += positional.is_required ? " " + positional.value : " [" + positional.value + "]";
  return words;
}

std::string command_section(const CommandInfo& command) {
  std::string text = fmt::format(".SS {}\n{}.\n", roff(synopsis(command)), roff(command.meaning));
  const std::string details = command_details(command.path);
  if (!details.empty()) text += ".PP\n" + roff_of_markdown(details);
  for (const OptionInfo& positional : command.positionals) text += option_entry(positional);
  for (const OptionInfo& option : command.options) text += option_entry(option);
  return text;
}

std::string settings_section(const std::vector<Setting>& settings) {
  std::string text =
      ".SH CONFIG FILE\nKeys of the file that \\fB\\-\\-config\\fR names and of "
      "\\fB\\-\\-set\\fR, with their defaults.\n";
  for (const Setting& setting : settings) {
    text += fmt::format(
        ".TP\n\\fB{}\\fR: {}\n{}", roff(setting.key), roff(setting.value), roff(setting.meaning));
    if (!setting.words.empty()) text += fmt::format(" ({})", fmt::join(setting.words, ", "));
    text += "\n";
  }
  return text;
}

std::string exit_section() {
  std::string text = ".SH EXIT STATUS\n";
  for (const ExitCodeMeaning& entry : exit_codes())
    text += fmt::format(".TP\n{}\n{}\n", static_cast<int>(entry.code), roff(entry.meaning));
  return text;
}

std::string topics_section() {
  std::string text = ".SH TOPICS\nLonger texts, shown by \\fBthoughtrank help\\fR \\fITOPIC\\fR:\n";
  for (const Topic& topic : topics())
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(topic.name), roff(topic.title));
  return text;
}

}  // namespace

std::string manual_page(const CommandInfo& program, const std::vector<Setting>& settings) {
  std::string page = fmt::format(
      ".TH THOUGHTRANK 1 \"\" \"thoughtrank {}\" \"User Commands\"\n"
      ".SH NAME\nthoughtrank \\- makes a Llama model think before it answers\n"
      ".SH SYNOPSIS\n\\fBthoughtrank\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]\n"
      ".SH DESCRIPTION\n{}\n"
      ".SH OPTIONS\nThey may stand before or after the command.\n",
      kVersion,
      roff(program.meaning));
  for (const OptionInfo& option : program.options) page += option_entry(option);
  page += ".SH COMMANDS\n";
  for (const CommandInfo* command : all_commands(program)) {
    if (command->commands.empty()) page += command_section(*command);
  }
  return page + settings_section(settings) + exit_section() + topics_section();
}

}  // namespace thoughtrank
