// Worked examples: questions with a thought and an answer that a model is shown before a prompt.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace thoughtrank {

struct ExampleRow {
  std::string prompt;   // the user's message
  std::string thought;  // what stands between the tags
  std::string answer;
};

// Reads .jsonl rows of a prompt file that have "thought" and "answer" too: "prompt", "question" or
// "messages" (one user message) as there; numbers as answers stand as they are written. Throws
// Error(kBadData) naming file:line for a row that lacks one of the three, has a "system", which
// belongs to the prompt that is asked, or as read_prompt_file(); for a file without a row; and
// Error(kMissingInput) for a file that is not there.
[[nodiscard]] std::vector<ExampleRow> read_example_file(const std::filesystem::path& path);

}  // namespace thoughtrank
