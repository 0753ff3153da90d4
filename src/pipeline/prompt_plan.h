// Which prompts are held out and which belong to which round: a pure function of the prompts, the
// seed and the sizes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/text/chat_template.h"

namespace thoughtrank {

struct PromptPlan {
  std::vector<PromptRow> holdout;
  std::vector<std::vector<PromptRow>> rounds;  // rounds[n - 1] is round n
  std::vector<std::string> left_out;           // ids of the unusable prompts that were met
  std::vector<ChatTurn> examples = {};         // worked examples, for shown_prompts()
};

// Tells whether a prompt can be used, and may complete it.
using PromptCheck = std::function<bool(PromptRow& prompt)>;

// Orders the prompts by hash(seed, id); the first `holdout` are never trained on, then per_round
// for each round without replacement (0: all the rest in every round). Those that cannot be used
// are passed over, and no more are checked than are needed. Error(kConfig) naming both numbers when
// there are too few.
[[nodiscard]] PromptPlan plan_prompts(std::vector<PromptRow> prompts,
                                      const RunConfig& config,
                                      const PromptCheck& is_usable);

}  // namespace thoughtrank
