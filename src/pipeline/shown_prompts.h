// What the model is shown while it generates: prompts, with worked examples as earlier turns in
// front where the config has some. What is trained on and evaluated is the prompt alone, unless
// prompts.examples.train keeps the examples in it.
#pragma once

#include <string>
#include <vector>

#include "pipeline/prompt_plan.h"
#include "thoughtrank/pipeline/model_setup.h"

namespace thoughtrank {

// Returns the worked examples of a file as turns: thought, between the branches' tags, and answer,
// or the answer alone; none without a path. Throws as read_example_file().
[[nodiscard]] std::vector<ChatTurn> load_examples(const std::string& path,
                                                  const BranchOptions& branches,
                                                  bool with_thoughts);
// The same of prompts.examples.
[[nodiscard]] std::vector<ChatTurn> load_examples(const RunConfig& config,
                                                  bool with_thoughts = true);

// Tells whether branches of `round` are generated with examples in front of the prompts' own
// token_ids.
[[nodiscard]] bool shows_examples(const RunConfig& config, int64_t round);

// Returns the prompts with the token_ids that the examples, the system message and the prompt make.
[[nodiscard]] std::vector<PromptRow> with_examples(std::vector<PromptRow> prompts,
                                                   const std::vector<ChatTurn>& examples,
                                                   const ModelTexts& texts);

// Returns the prompts of `round` as its branches are generated from them.
[[nodiscard]] std::vector<PromptRow> shown_prompts(const RunConfig& config,
                                                   const ModelTexts& texts,
                                                   const PromptPlan& plan,
                                                   int64_t round);

}  // namespace thoughtrank
