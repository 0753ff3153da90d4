#include "pipeline/prompt_plan.h"

#include <algorithm>
#include <utility>

#include "thoughtrank/core/random.h"

namespace thoughtrank {

namespace {

int64_t needed_prompts(const RunConfig& config) {
  const int64_t per_round = config.prompts.per_round;
  return config.prompts.holdout + (per_round == 0 ? 1 : config.rounds * per_round);
}

std::vector<PromptRow> order_by_hash(std::vector<PromptRow> prompts, uint64_t seed) {
  std::vector<std::pair<uint64_t, PromptRow>> keyed;
  for (PromptRow& prompt : prompts) {
    const uint64_t key =
        RandomStream(seed, "prompt order", {stable_hash(prompt.prompt_id)}).next_u64();
    keyed.emplace_back(key, std::move(prompt));
  }
  // Ids break ties, so that the order of the file never matters.
  std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.prompt_id) < std::tie(b.first, b.second.prompt_id);
  });
  std::vector<PromptRow> ordered;
  for (auto& [key, prompt] : keyed) ordered.push_back(std::move(prompt));
  return ordered;
}

[[noreturn]] void fail_too_few(const RunConfig& config, int64_t found, size_t left_out) {
  fail(ExitCode::kConfig,
       "{} has {} prompts{}, but holdout {} + rounds {} × per_round {} needs {}. Add prompts, "
       "lower one of these, or set prompts.per_round: 0 to use all the rest in every round.",
       config.prompts.path,
       found,
       left_out == 0 ? "" : fmt::format(" that fit the model's context ({} do not)", left_out),
       config.prompts.holdout,
       config.rounds,
       config.prompts.per_round,
       needed_prompts(config));
}

}  // namespace

PromptPlan plan_prompts(std::vector<PromptRow> prompts,
                        const RunConfig& config,
                        const PromptCheck& is_usable) {
  const int64_t holdout = config.prompts.holdout, per_round = config.prompts.per_round;
  const auto needed = needed_prompts(config);
  PromptPlan plan;
  std::vector<PromptRow> usable;
  for (PromptRow& prompt : order_by_hash(std::move(prompts), static_cast<uint64_t>(config.seed))) {
    // Encoding a prompt takes time: of a large file only the needed ones are checked.
    if (per_round > 0 && std::ssize(usable) == needed) break;
    if (is_usable(prompt)) {
      usable.push_back(std::move(prompt));
    } else {
      plan.left_out.push_back(prompt.prompt_id);
    }
  }
  if (std::ssize(usable) < needed) fail_too_few(config, std::ssize(usable), plan.left_out.size());
  plan.holdout.assign(usable.begin(), usable.begin() + holdout);
  for (int64_t round = 0; round < config.rounds; ++round) {
    const auto first = usable.begin() + holdout + round * per_round;
    const auto last = per_round == 0 ? usable.end() : first + per_round;
    plan.rounds.emplace_back(first, last);
  }
  return plan;
}

}  // namespace thoughtrank
