#include "data/lines.h"
#include "data/prompt_row.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/data/examples.h"

namespace thoughtrank {
namespace {

ExampleRow example_from_line(const PromptLine& line) {
  PromptRow prompt = prompt_from_line(line);
  if (!prompt.system.empty()) {
    fail(ExitCode::kBadData,
         "{}: an example has a system message; it is shown under that of the prompt which is "
         "asked. Remove it here, and give prompts their own 'system'",
         line.where);
  }
  if (is_blank(prompt.answer)) {
    fail(ExitCode::kBadData,
         "{}: expected the key 'answer': what is answered after the thought",
         line.where);
  }
  ExampleRow example{.prompt = std::move(prompt.prompt),
                     .thought = require_string(line.json, "thought", line.where),
                     .answer = std::move(prompt.answer)};
  if (is_blank(example.thought)) {
    fail(ExitCode::kBadData, "{}: the thought is empty: an example shows how to think", line.where);
  }
  return example;
}

}  // namespace

std::vector<ExampleRow> read_example_file(const std::filesystem::path& path) {
  if (path.extension() != ".jsonl") {
    fail(ExitCode::kBadData,
         "{}: expected JSON lines (.jsonl), one worked example a line: {}",
         path.string(),
         R"({"prompt": "…", "thought": "…", "answer": "…"})");
  }
  std::vector<ExampleRow> rows;
  for_each_row(read_text(path),
               path,
               [&](const Json& json, std::string_view text, const std::string& where) {
                 rows.push_back(example_from_line({json, text, where, path}));
               });
  if (rows.empty()) fail(ExitCode::kBadData, "{}: holds no example", path.string());
  return rows;
}

}  // namespace thoughtrank
