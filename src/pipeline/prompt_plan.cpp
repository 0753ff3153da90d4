#include "pipeline/prompt_plan.h"

#include <algorithm>
#include <utility>

#include "thoughtrank/core/random.h"

namespace thoughtrank {

namespace {

std::vector<PromptRow> order_by_hash(std::vector<PromptRow> prompts, uint64_t seed) {
  std::vector<std::pair<uint64_t, PromptRow>> keyed;
  for (PromptRow& prompt : prompts) {
    const uint64_t key =
        RandomStream(seed, "prompt order", {stable_hash(prompt.prompt_id)}).next_u64();
    keyed.emplace_back(key, std::move(prompt));
  }
  std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.prompt_id) < std::tie(b.first, b.second.prompt_id);
  });
  std::vector<PromptRow> ordered;
  for (auto& [key, prompt] : keyed) ordered.push_back(std::move(prompt));
  return ordered;
}

}  // namespace

PromptPlan plan_prompts(std::vector<PromptRow> prompts, const RunConfig& config) {
  const auto found = static_cast<int64_t>(prompts.size());
  const int64_t holdout = config.prompts.holdout;
  const int64_t per_round = config.prompts.per_round;
  const int64_t needed = holdout + (per_round == 0 ? 1 : config.rounds * per_round);
  if (found < needed) {
    fail(ExitCode::kConfig,
         "{} has {} prompts, but holdout {} + rounds {} × per_round {} needs {}. Add prompts, "
         "lower one of "
         "these, or set prompts.per_round: 0 to use all the rest in every round.",
         config.prompts.path,
         found,
         holdout,
         config.rounds,
         per_round,
         needed);
  }
  prompts = order_by_hash(std::move(prompts), static_cast<uint64_t>(config.seed));
  PromptPlan plan;
  plan.holdout.assign(prompts.begin(), prompts.begin() + holdout);
  for (int64_t round = 0; round < config.rounds; ++round) {
    const auto first = prompts.begin() + holdout + round * per_round;
    if (per_round == 0) {
      plan.rounds.emplace_back(prompts.begin() + holdout, prompts.end());
    } else {
      plan.rounds.emplace_back(first, first + per_round);
    }
  }
  return plan;
}

}  // namespace thoughtrank
