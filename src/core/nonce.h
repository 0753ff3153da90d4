// Names for work in progress: beside the file they will become, and never used before.
#pragma once

#include <filesystem>
#include <string_view>

namespace thoughtrank {

// The folder that holds `path`; "." for a plain name.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& path);
// A fresh name in the same folder: ".tmp-" -> "folder/.tmp-5f0c…".
[[nodiscard]] std::filesystem::path beside(const std::filesystem::path& path,
                                           std::string_view prefix);

}  // namespace thoughtrank
