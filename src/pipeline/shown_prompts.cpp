#include "pipeline/shown_prompts.h"

#include <utility>

#include "thoughtrank/data/examples.h"
#include "thoughtrank/train/rows.h"

namespace thoughtrank {

std::vector<ChatTurn> load_examples(const std::string& path,
                                    const BranchOptions& branches,
                                    bool with_thoughts) {
  std::vector<ChatTurn> turns;
  if (path.empty()) return turns;
  const ThoughtTags tags = {.open = branches.open, .close = branches.close};
  for (ExampleRow& row : read_example_file(path)) {
    if (!with_thoughts) row.thought.clear();
    turns.push_back(turn_of(std::move(row), tags));
  }
  return turns;
}

std::vector<ChatTurn> load_examples(const RunConfig& config, bool with_thoughts) {
  return load_examples(config.prompts.examples.path, config.branches, with_thoughts);
}

bool shows_examples(const RunConfig& config, int64_t round) {
  const ExampleOptions& examples = config.prompts.examples;
  if (examples.path.empty() || examples.train) return false;  // none, or in token_ids already
  return examples.rounds == 0 || round <= examples.rounds;
}

std::vector<PromptRow> with_examples(std::vector<PromptRow> prompts,
                                     const std::vector<ChatTurn>& examples,
                                     const ModelTexts& texts) {
  for (PromptRow& prompt : prompts) prompt.token_ids = texts.prompt_ids(prompt, examples);
  return prompts;
}

std::vector<PromptRow> shown_prompts(const RunConfig& config,
                                     const ModelTexts& texts,
                                     const PromptPlan& plan,
                                     int64_t round) {
  const std::vector<PromptRow>& prompts = plan.rounds.at(static_cast<size_t>(round - 1));
  if (!shows_examples(config, round)) return prompts;
  return with_examples(prompts, plan.examples, texts);
}

}  // namespace thoughtrank
