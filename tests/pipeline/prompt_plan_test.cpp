#include "pipeline/prompt_plan.h"

#include <algorithm>
#include <set>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

std::vector<PromptRow> make_prompts(int64_t count) {
  std::vector<PromptRow> prompts(static_cast<size_t>(count));
  for (int64_t n = 0; n < count; ++n)
    prompts[static_cast<size_t>(n)].prompt_id = "p" + std::to_string(n);
  return prompts;
}

RunConfig make_config(int64_t holdout, int64_t rounds, int64_t per_round) {
  RunConfig config;
  config.prompts.holdout = holdout;
  config.prompts.per_round = per_round;
  config.rounds = rounds;
  return config;
}

std::vector<std::string> ids(const std::vector<PromptRow>& prompts) {
  std::vector<std::string> all;
  for (const PromptRow& prompt : prompts) all.push_back(prompt.prompt_id);
  return all;
}

PromptPlan plan_all(std::vector<PromptRow> prompts, const RunConfig& config) {
  return plan_prompts(std::move(prompts), config, [](PromptRow&) { return true; });
}

TEST(PromptPlan, NoPromptIsUsedTwice) {
  const PromptPlan plan = plan_all(make_prompts(23), make_config(4, 3, 6));
  std::multiset<std::string> seen;
  for (const std::string& id : ids(plan.holdout)) seen.insert(id);
  ASSERT_EQ(plan.rounds.size(), 3u);
  for (const auto& round : plan.rounds) {
    EXPECT_EQ(round.size(), 6u);
    for (const std::string& id : ids(round)) seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 22u);
  for (const std::string& id : seen) EXPECT_EQ(seen.count(id), 1u) << id;
}

TEST(PromptPlan, DoesNotDependOnTheOrderInTheFile) {
  auto shuffled = make_prompts(23);
  std::reverse(shuffled.begin(), shuffled.end());
  const PromptPlan plan = plan_all(make_prompts(23), make_config(4, 3, 6));
  const PromptPlan again = plan_all(shuffled, make_config(4, 3, 6));
  EXPECT_EQ(ids(plan.holdout), ids(again.holdout));
  for (size_t n = 0; n < 3; ++n) EXPECT_EQ(ids(plan.rounds[n]), ids(again.rounds[n]));
}

TEST(PromptPlan, AnotherSeedGivesAnotherOrder) {
  RunConfig config = make_config(4, 3, 6);
  const PromptPlan first = plan_all(make_prompts(23), config);
  config.seed = 2;
  EXPECT_NE(ids(first.rounds[0]), ids(plan_all(make_prompts(23), config).rounds[0]));
}

TEST(PromptPlan, MoreRoundsKeepTheFirstOnes) {
  const PromptPlan two = plan_all(make_prompts(23), make_config(4, 2, 6));
  const PromptPlan three = plan_all(make_prompts(23), make_config(4, 3, 6));
  EXPECT_EQ(ids(two.holdout), ids(three.holdout));
  EXPECT_EQ(ids(two.rounds[1]), ids(three.rounds[1]));
}

TEST(PromptPlan, ZeroPerRoundMeansAllTheRestInEveryRound) {
  const PromptPlan plan = plan_all(make_prompts(10), make_config(3, 2, 0));
  EXPECT_EQ(plan.rounds[0].size(), 7u);
  EXPECT_EQ(ids(plan.rounds[0]), ids(plan.rounds[1]));
}

TEST(PromptPlan, TooFewPromptsNameBothNumbers) {
  expect_error([] { (void)plan_all(make_prompts(21), make_config(4, 3, 6)); },
               ExitCode::kConfig,
               "has 21 prompts, but holdout 4 + rounds 3 × per_round 6 needs 22");
}

TEST(PromptPlan, PassesOverThoseThatCannotBeUsed) {
  std::vector<std::string> checked;
  const auto is_usable = [&](PromptRow& prompt) {
    checked.push_back(prompt.prompt_id);
    return prompt.prompt_id != "p3" && prompt.prompt_id != "p8";
  };
  const RunConfig config = make_config(4, 3, 6);
  const PromptPlan plan = plan_prompts(make_prompts(24), config, is_usable);
  std::vector<std::string> used = ids(plan.holdout);
  for (const auto& round : plan.rounds) {
    EXPECT_EQ(round.size(), 6u);
    for (const std::string& id : ids(round)) used.push_back(id);
  }
  EXPECT_EQ(used.size(), 22u);
  for (const std::string& id : used) EXPECT_TRUE(id != "p3" && id != "p8");
  EXPECT_EQ(std::set<std::string>(plan.left_out.begin(), plan.left_out.end()),
            (std::set<std::string>{"p3", "p8"}));
  checked.clear();
  (void)plan_prompts(make_prompts(1000), config, is_usable);
  EXPECT_LE(checked.size(), 24u);
  expect_error([&] { (void)plan_prompts(make_prompts(23), config, is_usable); },
               ExitCode::kConfig,
               "has 21 prompts that fit the model's context (2 do not)");
}

}  // namespace
}  // namespace thoughtrank
