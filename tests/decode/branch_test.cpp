#include "decode/branch.h"

#include <gtest/gtest.h>

#include "decode/random_llama.h"

namespace thoughtrank {
namespace {

using Kind = BranchStep::Kind;

TEST(Branch, KeepsTheHeadUntoldAndEndsAtMaxTokens) {
  Branch branch(4, start_of(9, {1, 2}, 4));
  EXPECT_EQ(branch.unread(), 2);
  branch.mark_read(2);
  branch.add({.id = 5});
  EXPECT_EQ(branch.unread(), 1);
  EXPECT_FALSE(branch.is_finished());
  branch.add({.id = 6});
  EXPECT_TRUE(branch.is_finished());
  const FinishedBranch result = branch.take_result();
  EXPECT_EQ(result.group, 4);
  EXPECT_EQ(result.branch, 9);
  EXPECT_EQ(result.token_ids, (std::vector<int64_t>{1, 2, 5, 6}));
  EXPECT_EQ(told(result).size(), 2u);
}

TEST(Branch, ForcedTokensComeNextAndAreTold) {
  Branch branch(0, start_of(0, {1}, 20, [](const auto& all) {
                  return all.back().id == 5 ? BranchStep{Kind::force, false, {7, 8}} : BranchStep{};
                }));
  branch.mark_read(1);
  branch.add({.id = 5, .log_probability = -1});
  EXPECT_EQ(branch.token_ids(), (std::vector<int64_t>{1, 5, 7, 8}));
  EXPECT_EQ(branch.unread(), 3);
  const FinishedBranch result = branch.take_result();
  ASSERT_EQ(told(result).size(), 3u);
  EXPECT_FALSE(told(result)[0].is_forced);
  EXPECT_TRUE(told(result)[1].is_forced);
  EXPECT_EQ(told(result)[2].id, 8);
}

TEST(Branch, DroppedTokenLeavesNoTrace) {
  Branch branch(0, start_of(0, {1}, 20, [](const auto& all) {
                  if (all.back().id == 5) return BranchStep{Kind::force, true, {7}};
                  if (all.back().id == 6) return BranchStep{Kind::stop, true, {}};
                  return BranchStep{};
                }));
  branch.add({.id = 5});
  EXPECT_EQ(branch.token_ids(), (std::vector<int64_t>{1, 7}));
  branch.add({.id = 6});
  EXPECT_TRUE(branch.is_finished());
  EXPECT_EQ(branch.token_ids(), (std::vector<int64_t>{1, 7}));
}

TEST(Branch, AForcedTokenMayStopOrForceMore) {
  Branch branch(0, start_of(0, {1}, 20, [](const auto& all) {
                  if (all.back().id == 5) return BranchStep{Kind::force, false, {6, 9}};
                  if (all.back().id == 6) return BranchStep{Kind::force, false, {7}};
                  if (all.back().id == 9) return BranchStep{Kind::stop, false, {}};
                  return BranchStep{};
                }));
  branch.add({.id = 5});
  EXPECT_EQ(branch.token_ids(), (std::vector<int64_t>{1, 5, 6, 7, 9}));
  EXPECT_TRUE(branch.is_finished());
}

TEST(Branch, MaxTokensCutsForcedTokens) {
  Branch branch(0, start_of(0, {1}, 3, [](const auto& all) {
                  return all.size() == 1 ? BranchStep{Kind::force, false, {6, 7, 8}} : BranchStep{};
                }));
  branch.add({.id = 5});
  EXPECT_EQ(branch.token_ids(), (std::vector<int64_t>{1, 5, 6}));
  EXPECT_TRUE(branch.is_finished());
}

// The rule drops a token and forces others in the middle of a run: what follows is what the plain
// model says after the kept ids.
TEST(Branch, DecoderReadsKeptTokensOnly) {
  Decoder decoder(random_llama(), {.slots = 16});
  const std::vector<int64_t> shared{3, 1, 4, 1, 5};
  std::vector<BranchGroup> groups;
  groups.push_back({.group = 0, .shared_ids = shared, .branches = {}});
  for (int64_t b = 0; b < 20; ++b) {
    groups[0].branches.push_back(start_of(b, {b}, 30, [b](const auto& all) {
      const int64_t n = std::ssize(all);
      if (n == 1 + b % 4) return BranchStep{Kind::force, b % 2 == 0, {20, 21, 22, 23}};
      if (n == 10 + b % 4) return BranchStep{Kind::stop, b % 2 == 1, {}};
      return BranchStep{};
    }));
  }
  const Llama llama = random_llama();
  for (const auto& [key, branch] : run_groups(decoder, std::move(groups))) {
    const int64_t b = key.second;
    std::vector<int64_t> ids = shared;
    ids.push_back(b);
    for (size_t n = 0; n < told(branch).size(); ++n) {
      const TokenChoice& choice = told(branch)[n];
      if (!choice.is_forced) {
        const at::Tensor logits = plain_logits(llama, ids);
        ASSERT_NEAR(logits[choice.id].item<float>(), logits.max().item<float>(), 1e-4);
      }
      const bool is_dropped = (std::ssize(ids) == 6 + b % 4 && b % 2 == 0 && !choice.is_forced) ||
                              (n + 1 == told(branch).size() && b % 2 == 1);
      if (!is_dropped) ids.push_back(choice.id);
    }
    const std::vector<int64_t> kept(ids.begin() + std::ssize(shared), ids.end());
    EXPECT_EQ(kept, branch.token_ids) << b;
  }
}

}  // namespace
}  // namespace thoughtrank
