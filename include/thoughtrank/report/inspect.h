// `inspect`: the candidates of a prompt in the shell. Model text passes printable(): it cannot
// drive the terminal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace thoughtrank {

struct InspectOptions {
  std::optional<int64_t> round;  // nullopt: the newest round with outputs
  std::string prompt_id;         // "": one line per prompt
  bool shows_all = false;        // every branch in full; else the best few, shortened
  int64_t width = 100;           // columns
};

// The prompts of the round with their winners, or the ranked candidates of one prompt: char, rank,
// score, how thought and answer ended, thought, answer. Error(kMissingInput) naming what is not
// there.
[[nodiscard]] std::string inspect_run(const std::filesystem::path& run_dir,
                                      const InspectOptions& options);

}  // namespace thoughtrank
