#include "app/help.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "app/settings.h"
#include "app/texts.h"
#include "thoughtrank/core/exit_codes.h"

namespace thoughtrank {

namespace {

constexpr std::string_view kTopics = "help/";
constexpr std::string_view kCommands = "help/commands/";
constexpr std::string_view kEnding = ".md";

std::string exit_code_list() {
  std::string list;
  for (const ExitCodeMeaning& entry : exit_codes())
    list += fmt::format("  {:>3}  {}\n", static_cast<int>(entry.code), entry.meaning);
  return list;
}

// "# Title" -> "Title"
std::string title_of(std::string_view text) {
  const std::string line(text.substr(0, text.find('\n')));
  return line.substr(std::min(line.size(), line.find_first_not_of("# ")));
}

}  // namespace

std::vector<Topic> topics() {
  std::vector<Topic> found;
  for (const Text& text : texts()) {
    if (!text.name.starts_with(kTopics) || text.name.starts_with(kCommands)) continue;
    const std::string_view name = text.name.substr(kTopics.size());
    found.push_back(
        {std::string(name.substr(0, name.size() - kEnding.size())), title_of(text.text)});
  }
  return found;
}

std::string topic_text(const std::string& name) {
  const std::string text = find_text(fmt::format("{}{}{}", kTopics, name, kEnding));
  return without_fences(
      fill_in(text, {{"EXIT CODES", exit_code_list()}, {"CONFIG KEYS", settings_list()}}));
}

std::string command_details(const std::string& path) {
  std::string name = path;
  std::replace(name.begin(), name.end(), ' ', '-');
  const std::string file = fmt::format("{}{}{}", kCommands, name, kEnding);
  const auto is_it = [&](const Text& text) { return text.name == file; };
  const auto found = std::find_if(texts().begin(), texts().end(), is_it);
  return found == texts().end() ? "" : std::string(found->text);
}

std::string command_footer(const std::string& path) {
  const std::string details = without_fences(command_details(path));
  return details + (details.empty() ? "" : "\n") +
         "Every command takes --config FILE, --set KEY=VALUE, --limit N, --log-format, -v, -q: see "
         "thoughtrank --help";
}

}  // namespace thoughtrank
