// Random branches against the rules written down plainly: everything recomputed from the whole
// sequence after each token.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "generate/plain_rules.h"
#include "generate/rule_driver.h"
#include "generate/toy_tokenizer.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

struct Ended {
  std::string thought, answer;
  ThoughtEnd thought_end = ThoughtEnd::none;
  size_t tokens = 0;  // chosen in the thought, kept
};

// The thought alone.
Ended think_plainly(const ThoughtPlan& plan, const std::vector<int64_t>& choices) {
  std::vector<int64_t> ids;
  for (const int64_t id : choices) {
    if (id == plan.eos_ids[0])
      return {"T" + plan.tokenizer.decode(ids, false), "", ThoughtEnd::eos, ids.size()};
    ids.push_back(id);
    const std::string text = "T" + plan.tokenizer.decode(ids, false);
    const size_t tag = text.find(plan.close);
    if (tag != std::string::npos) {
      return {
          text.substr(0, tag), text.substr(tag + plan.close.size()), ThoughtEnd::model, ids.size()};
    }
    if (ends_in_loop(ids)) return {text, "", ThoughtEnd::loop, ids.size()};
    if (count_thought_tokens(plan.tokenizer, plan.close, "T", ids) >= plan.thought_tokens)
      return {text, "", ThoughtEnd::cap, ids.size()};
  }
  return {"T" + plan.tokenizer.decode(ids, false), "", ThoughtEnd::none, ids.size()};
}

class RandomBranches : public testing::TestWithParam<std::string> {};

TEST_P(RandomBranches, EndAsTheRulesSay) {
  const ToyTokenizer tokenizer({"a", "b", "aa", "ab", "ba", "aab", "aba", "c", "<eos>"}, {9});
  const ThoughtPlan plan{.tokenizer = tokenizer,
                         .close = GetParam(),
                         .close_ids = tokenizer.encode(GetParam()),
                         .eos_ids = {9},
                         .thought_tokens = 9,
                         .answer_tokens = 1000};
  RandomStream random(/*seed=*/1, GetParam());
  std::map<ThoughtEnd, int> seen;
  for (int trial = 0; trial < 20000; ++trial) {
    const uint64_t kinds = 1 + random.below(8);  // few kinds of tokens: loops and near misses
    std::vector<int64_t> choices(24);
    for (int64_t& id : choices) {
      id = random.below(40) == 0 ? 9 : 1 + static_cast<int64_t>(random.below(kinds));
    }
    const Ended plain = think_plainly(plan, choices);
    RuleDriver branch(plan, {.thought = "T"});
    choices.resize(plain.tokens + (plain.thought_end == ThoughtEnd::eos ? 1 : 0));
    branch.choose(choices);
    ASSERT_EQ(branch.result().thought, plain.thought);
    ASSERT_EQ(branch.result().answer, plain.answer);
    ASSERT_EQ(branch.result().thought_end, plain.thought_end);
    ASSERT_LE(std::ssize(branch.kept()), plan.most_tokens());
    seen[plain.thought_end] += 1;
  }
  for (const auto& [end, word] : kThoughtEnds) {
    if (end == ThoughtEnd::none) continue;
    EXPECT_GT(seen[end], 20) << word;
  }
}

INSTANTIATE_TEST_SUITE_P(CloseTags,
                         RandomBranches,
                         testing::Values("aabaac", "abab", "caac", "bb"));

TEST(LoopDetector, FiresWhereThePlainRuleFires) {
  RandomStream random(/*seed=*/2, "loops");
  int loops = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const size_t period = 1 + random.below(34);  // 33 and 34 are no loops
    std::vector<int64_t> cycle(period), ids(random.below(5), 7);
    for (int64_t& id : cycle) id = static_cast<int64_t>(random.below(3));
    for (size_t i = 0; i < 9 * period; ++i) {
      ids.push_back(random.below(2000) == 0 ? 9 : cycle[i % period]);
    }
    LoopDetector detector;
    std::vector<int64_t> seen;
    for (const int64_t id : ids) {
      seen.push_back(id);
      const bool is_loop = ends_in_loop(seen);
      ASSERT_EQ(detector.add(id), is_loop) << "period " << period << " at " << seen.size();
      loops += is_loop ? 1 : 0;
    }
  }
  EXPECT_GT(loops, 1000);
}

TEST(LoopDetector, FiresAtTheEighthRepeatOfTheLongestPeriod) {
  for (const size_t period : {1u, 2u, 31u, 32u, 33u}) {
    LoopDetector detector;
    size_t fired = 0;
    for (size_t i = 0; i < 10 * period && fired == 0; ++i) {
      if (detector.add(static_cast<int64_t>(i % period))) fired = i + 1;
    }
    EXPECT_EQ(fired, period <= 32 ? 8 * period : 0u);
  }
}

}  // namespace
}  // namespace thoughtrank
