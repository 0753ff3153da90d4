// Decoding where the memory for keys and values does not last for all slots.
#include <gtest/gtest.h>

#include "decode/random_llama.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {
namespace {

Decoder decoder_with_pages(int64_t pages, at::ScalarType dtype = at::kFloat) {
  const LlamaConfig config = small_config();
  const KvPool pool({.layers = config.num_hidden_layers,
                     .kv_heads = config.num_key_value_heads,
                     .head_dim = config.head_dim,
                     .dtype = dtype});
  return Decoder(random_llama(dtype),
                 {.slots = 16, .threads = 2, .kv_bytes = pages * pool.page_bytes()});
}

std::vector<int64_t> ids_of(int64_t length, int64_t seed) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < length; ++i) ids.push_back((seed * 31 + i * 17) % kVocabulary);
  return ids;
}

// Prompts of 70 (two pages) and 5 tokens; branches of 100 to 112 tokens: two or three pages each.
std::vector<BranchGroup> two_groups() {
  std::vector<BranchGroup> groups;
  for (const int64_t prompt : {70, 5}) {
    groups.push_back({.group = prompt, .shared_ids = ids_of(prompt, prompt), .branches = {}});
    for (int64_t b = 0; b < 20; ++b) {
      groups.back().branches.push_back(start_of(b, ids_of(1 + b % 3, 50 + b), 100 + b % 13));
    }
  }
  return groups;
}

class MemoryLimit : public testing::TestWithParam<at::ScalarType> {};

TEST_P(MemoryLimit, BranchesThatArePutOffGiveTheSameTokens) {
  Decoder roomy = decoder_with_pages(1000, GetParam());
  const auto expected = run_groups(roomy, two_groups());
  ASSERT_EQ(expected.size(), 40u);
  for (const int64_t pages : {5, 11, 30}) {
    Decoder tight = decoder_with_pages(pages, GetParam());
    for (int repeat = 0; repeat < 2; ++repeat) {  // the memory is whole again afterwards
      const auto found = run_groups(tight, two_groups());
      ASSERT_EQ(found.size(), 40u);
      for (const auto& [key, branch] : found) {
        EXPECT_EQ(branch.error, "");
        EXPECT_EQ(told(branch), told(expected.at(key))) << pages << " " << key.first;
      }
    }
  }
}

TEST_P(MemoryLimit, GroupThatFitsNoSlotComesBackAndTheOthersGoOn) {
  Decoder tight = decoder_with_pages(3, GetParam());  // 70 tokens fill two, a branch needs two more
  const auto branches = run_groups(tight, two_groups());
  ASSERT_EQ(branches.size(), 40u);
  for (const auto& [key, branch] : branches) {
    const bool fits = key.first == 5;
    EXPECT_EQ(branch.cause, fits ? BreakCause::none : BreakCause::memory) << branch.error;
  }
  Decoder tiny = decoder_with_pages(1, GetParam());
  for (const auto& [key, branch] : run_groups(tiny, two_groups())) {
    EXPECT_EQ(branch.cause, BreakCause::memory) << branch.error;
  }
}

// One branch each, as held-out prompts have; at most seven pages for one of them.
std::vector<BranchGroup> single_branches(int64_t groups) {
  std::vector<BranchGroup> made;
  for (int64_t n = 0; n < groups; ++n) {
    made.push_back({.group = n, .shared_ids = ids_of(120, n), .branches = {}});
    made.back().branches.push_back(start_of(0, ids_of(1 + n % 3, n), 250));
    if (n % 4 == 0) made.back().branches[0].first_of = {3, 14, 15, 92};
  }
  return made;
}

int64_t steps_of(Decoder& decoder, std::vector<BranchGroup> groups) {
  ListSource source(std::move(groups));
  MapSink sink;
  int64_t steps = 0;
  sink.on_step = [&] { ++steps; };
  const StopFlag stop;
  decoder.run(source, sink, stop);
  for (const auto& [key, branch] : sink.branches) EXPECT_EQ(branch.error, "");
  return steps;
}

TEST_P(MemoryLimit, SharedTextsOfOthersNeverCostABranch) {
  Decoder roomy = decoder_with_pages(1000, GetParam());
  const auto expected = run_groups(roomy, single_branches(24));
  for (const int64_t pages : {7, 8, 15, 36}) {
    Decoder tight = decoder_with_pages(pages, GetParam());
    const auto found = run_groups(tight, single_branches(24));
    ASSERT_EQ(found.size(), 24u);
    for (const auto& [key, branch] : found) {
      EXPECT_EQ(branch.error, "") << pages << " " << key.first;
      EXPECT_EQ(told(branch), told(expected.at(key))) << pages << " " << key.first;
    }
  }
}

TEST_P(MemoryLimit, SlotsComeBackWhenTheShortageIsOver) {
  const auto long_then_short = [] {
    std::vector<BranchGroup> groups;
    groups.push_back({.group = 0, .shared_ids = ids_of(300, 1), .branches = {}});
    for (int64_t b = 0; b < 16; ++b) groups[0].branches.push_back(start_of(b, {b}, 150));
    for (int64_t n = 1; n <= 5; ++n) {
      groups.push_back({.group = n, .shared_ids = ids_of(5, n), .branches = {}});
      for (int64_t b = 0; b < 16; ++b) groups.back().branches.push_back(start_of(b, {b}, 40));
    }
    return groups;
  };
  Decoder roomy = decoder_with_pages(1000, GetParam());
  Decoder tight = decoder_with_pages(18, GetParam());
  // 16 branches of 150 four at a time take 600 steps and more; the others fit all at once.
  EXPECT_LT(steps_of(tight, long_then_short()), 4 * steps_of(roomy, long_then_short()));
}

// Six pages that both prompts begin with, one more of each and one of each branch: sixteen where
// nothing is shared, so that the second branch would have to wait for the first.
TEST_P(MemoryLimit, PromptsThatBeginAlikeNeedTheirBeginningOnce) {
  const auto two_alike = [] {
    std::vector<BranchGroup> groups;
    for (int64_t n = 0; n < 2; ++n) {
      groups.push_back({.group = n, .shared_ids = ids_of(410, 1), .branches = {}});
      groups.back().shared_ids.back() = n;
      groups.back().branches.push_back(start_of(0, {3}, 30));
    }
    return groups;
  };
  Decoder roomy = decoder_with_pages(1000, GetParam());
  Decoder tight = decoder_with_pages(11, GetParam());
  EXPECT_EQ(steps_of(tight, two_alike()), steps_of(roomy, two_alike()));
}

INSTANTIATE_TEST_SUITE_P(Types,
                         MemoryLimit,
                         testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return at::toString(type.param); });

}  // namespace
}  // namespace thoughtrank
