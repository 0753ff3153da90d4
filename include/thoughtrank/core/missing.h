// What can be said of a path where nothing is: a link whose target is gone, a folder of the way
// that is not there, a name of the Hugging Face Hub that stands where a folder is expected.
#pragma once

#include <filesystem>
#include <string>

namespace thoughtrank {

// "a/b: there is no such file. Check the path", with the target where it is a dangling link, with
// the first folder that is missing where that is not its own.
[[nodiscard]] std::string missing_file_text(const std::filesystem::path& path);

// True where something is at `path`. Error(kMissingInput) where a link is, whose target is not.
[[nodiscard]] bool is_there(const std::filesystem::path& path);

// Error(kMissingInput) unless `folder` is a folder: tells a name of the Hub, with the command that
// downloads it, and a file that stands in its place.
void require_model_folder(const std::filesystem::path& folder);

// Error(kMissingInput) where nothing is at `path` and it looks like a data set's name on the Hub.
void refuse_hub_data_set(const std::filesystem::path& path);

// A folder for files that go with the process: that of TMPDIR, or /tmp where that one is gone.
[[nodiscard]] std::filesystem::path scratch_folder();

}  // namespace thoughtrank
