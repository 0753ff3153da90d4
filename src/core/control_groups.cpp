#include "core/control_groups.h"

#include <fstream>
#include <string>

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

// True where `name` is one of the words of "cpu,cpuacct".
bool lists(std::string_view words, std::string_view name) {
  while (!words.empty()) {
    const size_t comma = words.find(',');
    if (words.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) break;
    words.remove_prefix(comma + 1);
  }
  return false;
}

// `tree`/user.slice/job, `tree`/user.slice, `tree` for "/user.slice/job". In a container the name
// may be one of the host's, which is no folder here: its group is the tree's root then.
std::vector<fs::path> up_from(const fs::path& tree, const fs::path& name) {
  std::vector<fs::path> groups;
  for (fs::path part = name.relative_path(); !part.empty(); part = part.parent_path()) {
    groups.push_back(tree / part);
  }
  groups.push_back(tree);
  return groups;
}

}  // namespace

ControlGroups control_groups(const fs::path& root, std::string_view controller) {
  const fs::path mounted = root / "sys/fs/cgroup";
  fs::path unified = "/", legacy = "/";
  std::ifstream file(root / "proc/self/cgroup");
  // Lines of "number:controllers:/name"; version 2 has no controllers.
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view words = std::string_view(line).substr(first + 1, second - first - 1);
    if (words.empty()) unified = line.substr(second + 1);
    if (lists(words, controller)) legacy = line.substr(second + 1);
  }
  return {.unified = up_from(mounted, unified), .legacy = up_from(mounted / controller, legacy)};
}

std::optional<int64_t> number_in(const fs::path& file) {
  int64_t number = 0;
  if (std::ifstream(file) >> number) return number;
  return std::nullopt;
}

}  // namespace thoughtrank
