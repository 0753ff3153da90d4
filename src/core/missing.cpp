#include "thoughtrank/core/missing.h"

#include <cstdlib>
#include <optional>
#include <regex>
#include <vector>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/file_kind.h"

namespace thoughtrank {
namespace {

namespace fs = std::filesystem;

// The link of the path that points to nothing; nullopt where none does.
std::optional<fs::path> dangling_link(const fs::path& path) {
  std::error_code error;
  fs::path at;
  for (const fs::path& part : path) {
    at /= part;
    if (!fs::is_symlink(fs::symlink_status(at, error))) continue;
    if (!fs::exists(at, error)) return at;
  }
  return std::nullopt;
}

std::string dangling_text(const fs::path& path, const fs::path& link) {
  std::error_code error;
  return fmt::format(
      "{}: there is no such file: {} is a symbolic link to {}, where nothing is. Download or copy "
      "what it stood for, or remove the link",
      path.string(),
      link == path ? "it" : link.string(),
      fs::read_symlink(link, error).string());
}

// "meta-llama/Llama-3.2-3B" of a folder that is not there, nor the one that it would stand in.
struct HubName {
  std::string owner, name;
  fs::path base;  // where that relative path began
};

// https://huggingface.co/OWNER/NAME/…, https://huggingface.co/datasets/OWNER/NAME
std::optional<HubName> name_in_address(const std::vector<std::string>& parts) {
  for (size_t n = 0; n < parts.size(); ++n) {
    if (parts[n] != "huggingface.co" && parts[n] != "hf.co" && parts[n] != "hf:") continue;
    const size_t owner = n + (n + 1 < parts.size() && parts[n + 1] == "datasets" ? 2 : 1);
    if (owner + 1 >= parts.size()) return std::nullopt;
    return HubName{.owner = parts[owner], .name = parts[owner + 1], .base = {}};
  }
  return std::nullopt;
}

std::optional<HubName> hub_name(const fs::path& path) {
  static const std::regex kName("[A-Za-z0-9][A-Za-z0-9._-]{0,95}");
  std::vector<std::string> parts;
  for (const fs::path& part : path.lexically_normal()) {
    if (!part.empty()) parts.push_back(part.string());
  }
  if (auto address = name_in_address(parts)) return address;
  if (parts.size() < 2) return std::nullopt;
  const std::string &owner = parts[parts.size() - 2], &name = parts.back();
  if (!std::regex_match(owner, kName) || !std::regex_match(name, kName)) return std::nullopt;
  for (const char* word : {"models", "model", "checkpoints", "checkpoint", "data"}) {
    if (owner == word) return std::nullopt;  // a folder of the user's
  }
  fs::path base;  // the config's folder, of a relative path
  for (size_t n = 0; n + 2 < parts.size(); ++n) base /= parts[n];
  std::error_code error;
  if (base == base.root_path() && !base.empty()) return std::nullopt;
  if (fs::exists(base / owner, error)) return std::nullopt;
  return HubName{.owner = owner, .name = name, .base = base};
}

// The command that downloads it into a folder of its name below `folder`.
std::string download_line(const HubName& hub, const fs::path& folder, const char* options = "") {
  std::error_code error;
  const fs::path target = hub.base / folder / hub.name;
  const fs::path shown = hub.base.empty() ? target : fs::proximate(target, error);
  return fmt::format("hf download {}/{}{} --local-dir {}",
                     hub.owner,
                     hub.name,
                     options,
                     shell_word(shown.string()));
}

}  // namespace

std::string missing_file_text(const fs::path& path) {
  if (const auto link = dangling_link(path)) return dangling_text(path, *link);
  std::error_code error;
  fs::path folder = path.parent_path();
  if (folder.empty() || fs::is_directory(folder, error)) {
    return fmt::format("{}: there is no such file. Check the path", path.string());
  }
  while (folder.has_parent_path() && folder != folder.parent_path() &&
         !folder.parent_path().empty() && !fs::exists(folder.parent_path(), error)) {
    folder = folder.parent_path();
  }
  return fmt::format("{}: there is no such file: {} is {}. Check the path",
                     path.string(),
                     folder.string(),
                     fs::exists(folder, error) ? "no folder" : "not there, either");
}

bool is_there(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error)) return true;
  if (fs::is_symlink(fs::symlink_status(path, error))) {
    fail(ExitCode::kMissingInput, "{}", missing_file_text(path));
  }
  return false;
}

void require_model_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  if (fs::exists(folder, error)) {
    fail(ExitCode::kMissingInput,
         "{}: is a file, expected the folder of a Hugging Face model: config.json, tokenizer.json "
         "or tokenizer.model, *.safetensors",
         folder.string());
  }
  if (const auto link = dangling_link(folder)) {
    fail(ExitCode::kMissingInput, "{}", dangling_text(folder, *link));
  }
  if (const auto hub = hub_name(folder)) {
    fail(
        ExitCode::kMissingInput,
        "{0}: there is no such folder. {1}/{2} looks like a name of the Hugging Face Hub, expected "
        "a folder on this machine. Download the model: {3}, and name models/{2} as the model's "
        "path. "
        "Is it gated (meta-llama is), first accept its licence on https://huggingface.co/{1}/{2} "
        "and run: hf auth login",
        folder.string(),
        hub->owner,
        hub->name,
        download_line(*hub, "models"));
  }
  fail(ExitCode::kMissingInput,
       "{}: there is no such folder. Check the path; a model of the Hugging Face Hub is downloaded "
       "with hf download OWNER/NAME --local-dir {}",
       folder.string(),
       shell_word(folder.string()));
}

void refuse_hub_data_set(const fs::path& path) {
  std::error_code error;
  if (path.has_extension() || fs::exists(fs::symlink_status(path, error))) return;
  const auto hub = hub_name(path);
  if (!hub) return;
  fail(ExitCode::kMissingInput,
       "{}: there is no such file. {}/{} looks like a data set of the Hugging Face Hub, expected a "
       "file on this machine. Download it: {}, and name one of its files; a Parquet file's error "
       "has the command that converts it",
       path.string(),
       hub->owner,
       hub->name,
       download_line(*hub, "data", " --repo-type dataset"));
}

fs::path scratch_folder() {
  std::error_code error;
  fs::path folder = fs::temp_directory_path(error);
  if (!error) return folder;
  if (fs::is_directory("/tmp", error)) return "/tmp";
  const char* named = std::getenv("TMPDIR");
  fail(ExitCode::kIo,
       "TMPDIR is '{}', which is no folder. Set it to one that files can be written to",
       named == nullptr ? "" : named);
}

}  // namespace thoughtrank
