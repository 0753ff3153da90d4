#include "train/licence.h"

#include <algorithm>
#include <regex>

#include "thoughtrank/core/files.h"
#include "thoughtrank/train/checkpoint.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kMostTextBytes = 16 << 20;

std::string text_of(const fs::path& file) {
  return fs::is_regular_file(file) ? read_file(file, kMostTextBytes) : "";
}

// The first group of the first match, without regard to case.
std::optional<std::string> find_version(const std::string& text, const std::string& pattern) {
  std::smatch match;
  const std::regex expression(pattern, std::regex::icase);
  if (!std::regex_search(text, match, expression)) return std::nullopt;
  return match[1].str();
}

fs::path licence_file(const fs::path& folder) {
  for (const char* name : {"LICENSE", "LICENSE.txt", "LICENSE.md"}) {
    if (fs::is_regular_file(folder / name)) return folder / name;
  }
  return {};
}

std::string name_in_config(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  if (!fs::is_regular_file(file)) return "";
  const Json config = parse_json(text_of(file), file.string());
  const auto found = config.find("_name_or_path");
  return found != config.end() && found->is_string() ? found->get<std::string>() : "";
}

fs::path named(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

void require_licence_text(const LlamaLicence& licence, const fs::path& base_folder) {
  if (licence.licence_file.empty()) {
    fail(ExitCode::kConfig,
         "{} is a Llama {} model, but has no LICENSE or LICENSE.txt to pass on: put Meta's licence "
         "text there, or set private: true",
         base_folder.string(),
         licence.version);
  }
  const std::string text = text_of(licence.licence_file);
  const bool is_whole =
      find_version(text, R"(llama\s+(3[\d.]*)\s+community\s+license\s+agreement)") ==
          licence.version &&
      text.find("Built with Llama") != std::string::npos &&
      text.find("Meta Platforms") != std::string::npos;
  if (!is_whole) {
    fail(ExitCode::kConfig,
         "{} is not the Llama {} Community License Agreement: put Meta's own text there, or set "
         "private: true",
         licence.licence_file.string(),
         licence.version);
  }
}

}  // namespace

std::string LlamaLicence::notice() const {
  const std::string model = (version == "3" ? "Meta Llama " : "Llama ") + version;
  return fmt::format(
      "{} is licensed under the {} Community License, Copyright © Meta Platforms, Inc. All Rights "
      "Reserved.",
      model,
      model);
}

std::string front_matter_licence(const fs::path& folder) {
  const std::string readme = text_of(folder / "README.md");
  if (!readme.starts_with("---\n")) return "";
  const std::string matter = "\n" + readme.substr(4, readme.find("\n---", 3) - 3);
  return find_version(matter, R"(\nlicense:\s*["']?([\w.-]+))").value_or("");
}

std::optional<LlamaLicence> find_llama_licence(const fs::path& base_folder) {
  constexpr const char* kName = R"(llama-(3(?:\.\d)?)(?!\d))";
  const fs::path file = licence_file(base_folder);
  const auto either = [](std::optional<std::string> first, std::optional<std::string> second) {
    return first ? first : second;
  };
  auto version = find_version(front_matter_licence(base_folder), R"(^llama(3(?:\.\d)?)$)");
  version =
      either(version, find_version(text_of(file), R"(llama\s+(3(?:\.\d)?)\s+community\s+license)"));
  version = either(version, find_version(name_in_config(base_folder), kName));
  version = either(version, find_version(named(base_folder).filename().string(), kName));
  if (!version) return std::nullopt;
  return LlamaLicence{.version = *version, .licence_file = file};
}

std::string checkpoint_name(const fs::path& target) {
  const fs::path path = named(target);
  const bool is_round = path.parent_path().filename().string().starts_with("round-");
  return (is_round ? path.parent_path().parent_path() : path).filename().string();
}

void require_licence(const fs::path& base_folder, const fs::path& target, bool is_private) {
  const std::optional<LlamaLicence> licence = find_llama_licence(base_folder);
  if (is_private || !licence) return;
  const std::string name = checkpoint_name(target);
  if (!name.starts_with("Llama")) {
    fail(ExitCode::kConfig,
         "{} is a Llama {} model: its licence wants names of derivatives to begin with 'Llama', "
         "this one is '{}'. Name the run folder 'Llama-…', or set private: true",
         base_folder.string(),
         licence->version,
         name);
  }
  require_licence_text(*licence, base_folder);
}

}  // namespace thoughtrank
