#include "pipeline/anchors.h"

#include <map>

#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

std::vector<std::string> read_anchors(const Session& session) {
  const fs::path file = session.folder.file(0, RoundFile::eval);
  std::map<std::string, std::string> by_prompt;
  for (EvalRow& row : read_rows<EvalRow>(file)) by_prompt[row.prompt_id] = std::move(row.answer);
  std::vector<std::string> anchors;
  for (const PromptRow& prompt : session.prompts.holdout) {
    const auto known = by_prompt.find(prompt.prompt_id);
    if (known == by_prompt.end()) {
      fail(ExitCode::kConfig,
           "{}: no answer of the base model to the held-out prompt '{}', which was left out when "
           "the run began; begin a new run, or give generate and prompts as they were then",
           file.string(),
           prompt.prompt_id);
    }
    anchors.push_back(known->second);
  }
  return anchors;
}

}  // namespace thoughtrank
