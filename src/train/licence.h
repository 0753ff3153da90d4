// The Llama 3 community licences ask derivatives that are passed on for a name that begins with
// "Llama", the licence text, a NOTICE, and "Built with Llama".
//
// A base folder counts as a Llama 3 derivative when its README.md front matter has `license:
// llama3…`, its LICENSE says "Llama 3… Community License", the `_name_or_path` of its config.json
// contains "Llama-3", or the folder's own name does (all without regard to case). The version
// ("3.2") is what the first of these says.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace thoughtrank {

struct LlamaLicence {
  std::string version;                 // "3", "3.1", "3.2", "3.3"
  std::filesystem::path licence_file;  // of the base folder; empty when it has none
  [[nodiscard]] std::string identifier() const { return "llama" + version; }
  // "Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright © Meta Platforms, …"
  [[nodiscard]] std::string notice() const;
};

// nullopt for models that are no Llama 3 derivatives.
[[nodiscard]] std::optional<LlamaLicence> find_llama_licence(
    const std::filesystem::path& base_folder);

// The name a checkpoint is known by: of the run folder for …/RUN/round-NN/checkpoint, else of the
// folder itself.
[[nodiscard]] std::string checkpoint_name(const std::filesystem::path& target);

// `license:` of the README.md's front matter; empty when there is none.
[[nodiscard]] std::string front_matter_licence(const std::filesystem::path& folder);

}  // namespace thoughtrank
