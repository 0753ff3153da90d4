#include "thoughtrank/decode/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "decode/random_llama.h"
#include "support/expect_error.h"
#include "support/trials.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

std::vector<int64_t> ids_of(int64_t length, int64_t seed) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < length; ++i)
    ids.push_back((seed * 31 + i * 17 + i * i * 5) % kVocabulary);
  return ids;
}

// 40 branches over a prompt: heads of one to three tokens, different lengths.
BranchGroup group_of(int64_t number, int64_t prompt_length, int64_t branches = 40) {
  BranchGroup group{.group = number, .shared_ids = ids_of(prompt_length, number), .branches = {}};
  for (int64_t b = 0; b < branches; ++b) {
    group.branches.push_back(start_of(b, ids_of(1 + b % 3, 50 + b), 8 + b % 13));
  }
  return group;
}

std::vector<BranchGroup> two_groups() {
  std::vector<BranchGroup> groups;
  groups.push_back(group_of(0, 70));
  groups.push_back(group_of(1, 5));
  return groups;
}

Decoder decoder_with(int64_t slots, at::ScalarType dtype = at::kFloat, int64_t threads = 2) {
  return Decoder(random_llama(dtype), {.slots = slots, .threads = threads});
}

// Every chosen token is the plain model's best after the ids before it.
void expect_greedy(const Llama& llama, std::vector<int64_t> ids, const FinishedBranch& branch) {
  const size_t chosen_from = branch.token_ids.size() - told(branch).size();
  ids.insert(ids.end(), branch.token_ids.begin(), branch.token_ids.begin() + long(chosen_from));
  for (const TokenChoice& choice : told(branch)) {
    const at::Tensor logits = plain_logits(llama, ids);
    const double best = logits.max().item<double>();
    const double chosen = logits[choice.id].item<double>();
    ASSERT_NEAR(chosen, best, 1e-4);
    const double log_probability = chosen - logits.to(at::kDouble).logsumexp(0).item<double>();
    ASSERT_NEAR(choice.log_probability, log_probability, 1e-4);
    const auto [top, top_ids] = logits.topk(2);
    ASSERT_NEAR(choice.margin, (top[0] - top[1]).item<double>(), 1e-4);
    ids.push_back(choice.id);
  }
}

TEST(Decoder, CachedEqualsUncachedForward) {
  Decoder decoder = decoder_with(16);
  const Llama llama = random_llama();
  const auto branches = run_groups(decoder, two_groups());
  ASSERT_EQ(branches.size(), 80u);
  for (const auto& [key, branch] : branches) {
    EXPECT_EQ(branch.error, "");
    EXPECT_EQ(std::ssize(branch.token_ids), 8 + key.second % 13);
    if (key.second % 5 == 0) {
      expect_greedy(llama, ids_of(key.first == 0 ? 70 : 5, key.first), branch);
    }
  }
}

TEST(Decoder, LongBranchesGrowOverPages) {
  Decoder decoder = decoder_with(16);
  std::vector<BranchGroup> groups;
  groups.push_back({.group = 3, .shared_ids = ids_of(100, 3), .branches = {}});
  groups[0].branches.push_back(start_of(0, {4}, 150));
  groups[0].branches.push_back(start_of(1, ids_of(140, 9), 150));
  const auto branches = run_groups(decoder, std::move(groups));
  for (const auto& [key, branch] : branches) expect_greedy(random_llama(), ids_of(100, 3), branch);
}

void expect_same(const std::map<BranchKey, FinishedBranch>& a,
                 const std::map<BranchKey, FinishedBranch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [key, branch] : a) {
    EXPECT_EQ(branch.token_ids, b.at(key).token_ids);
    EXPECT_EQ(told(branch), told(b.at(key))) << key.first << " " << key.second;
  }
}

class DecoderOf : public testing::TestWithParam<at::ScalarType> {};

TEST_P(DecoderOf, SlotsAndOrderChangeNoBit) {
  Decoder reference = decoder_with(16, GetParam());
  const auto expected = run_groups(reference, two_groups());
  for (const int64_t slots : {32, 64, 128}) {
    Decoder decoder = decoder_with(slots, GetParam());
    auto groups = two_groups();
    std::reverse(groups.begin(), groups.end());
    for (auto& group : groups) std::reverse(group.branches.begin(), group.branches.end());
    expect_same(run_groups(decoder, std::move(groups)), expected);
  }
}

TEST_P(DecoderOf, ThreadsChangeNoBit) {
  Decoder one = decoder_with(16, GetParam(), /*threads=*/1);
  Decoder three = decoder_with(16, GetParam(), /*threads=*/3);
  expect_same(run_groups(one, two_groups()), run_groups(three, two_groups()));
}

TEST_P(DecoderOf, NeighboursChangeNoBit) {
  Decoder decoder = decoder_with(16, GetParam());
  const auto among_others = run_groups(decoder, two_groups());
  for (const int64_t b : {0, 7, 38}) {
    std::vector<BranchGroup> alone;
    alone.push_back(group_of(0, 70));
    std::swap(alone[0].branches[0], alone[0].branches[static_cast<size_t>(b)]);
    alone[0].branches.resize(1);
    const auto found = run_groups(decoder, std::move(alone));
    EXPECT_EQ(told(found.at({0, b})), told(among_others.at({0, b})));
  }
}

// Prompts with the same worked examples in front, one the beginning of another, one twice.
TEST_P(DecoderOf, TextsThatBeginAlikeChangeNoBit) {
  const auto groups = [](const std::vector<int64_t>& lengths) {
    std::vector<BranchGroup> all;
    for (const int64_t length : lengths) {
      BranchGroup group = group_of(std::ssize(all), length, /*branches=*/3);
      group.shared_ids = ids_of(length, 4);
      if (length > 150) group.shared_ids[static_cast<size_t>(length - 9)] = 1 + std::ssize(all);
      all.push_back(std::move(group));
    }
    return all;
  };
  const std::vector<int64_t> lengths = {200, 300, 128, 129, 300, 128};
  Decoder decoder = decoder_with(16, GetParam());
  const auto together = run_groups(decoder, groups(lengths));
  for (size_t n = 0; n < lengths.size(); ++n) {
    Decoder fresh = decoder_with(16, GetParam());
    auto every = groups(lengths);
    std::vector<BranchGroup> alone;
    alone.push_back(std::move(every[n]));
    for (const auto& [key, branch] : run_groups(fresh, std::move(alone))) {
      EXPECT_EQ(told(branch), told(together.at(key))) << key.first << " " << key.second;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types,
                         DecoderOf,
                         testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return at::toString(type.param); });

TEST(Decoder, EmptyHeadGoesOnFromThePrompt) {
  Decoder decoder = decoder_with(16);
  std::vector<BranchGroup> groups;
  groups.push_back({.group = 0, .shared_ids = ids_of(9, 1), .branches = {}});
  groups[0].branches.push_back(start_of(0, {}, 5));
  groups[0].branches.push_back(start_of(1, {8, 9}, 5));
  for (const auto& [key, branch] : run_groups(decoder, std::move(groups))) {
    EXPECT_EQ(branch.token_ids.size(), 5u);
    expect_greedy(random_llama(), ids_of(9, 1), branch);
  }
}

TEST(Decoder, FirstTokenIsTheBestCandidate) {
  Decoder decoder = decoder_with(16);
  const Llama llama = random_llama();
  const std::vector<int64_t> candidates{90, 3, 41, 77};
  for (const std::vector<int64_t>& head : {std::vector<int64_t>{}, {5, 6}}) {
    std::vector<BranchGroup> groups;
    groups.push_back({.group = 0, .shared_ids = ids_of(9, 1), .branches = {}});
    groups[0].branches.push_back(start_of(0, head, 6));
    groups[0].branches[0].first_of = candidates;
    const auto branches = run_groups(decoder, std::move(groups));
    std::vector<int64_t> before = ids_of(9, 1);
    before.insert(before.end(), head.begin(), head.end());
    const at::Tensor logits = plain_logits(llama, before);
    const int64_t best =
        *std::max_element(candidates.begin(), candidates.end(), [&](int64_t a, int64_t b) {
          return logits[a].item<float>() < logits[b].item<float>();
        });
    const FinishedBranch& branch = branches.at({0, 0});
    EXPECT_EQ(branch.token_ids.size(), 6u);
    EXPECT_EQ(branch.token_ids[head.size()], best);
    EXPECT_EQ(told(branch)[0].id, best);
    EXPECT_TRUE(told(branch)[0].is_forced);
  }
}

TEST(Decoder, NotANumberBreaksItsOwnBranchOnly) {
  Llama llama = random_llama();
  llama.lm_head = llama.embed_tokens.clone();  // untied: the poison is in the input only
  llama.embed_tokens = llama.embed_tokens.clone();
  Llama poisoned = llama;
  poisoned.embed_tokens = llama.embed_tokens.clone();
  poisoned.embed_tokens[11].fill_(std::numeric_limits<float>::quiet_NaN());
  const auto group = [] {
    std::vector<BranchGroup> groups;
    groups.push_back({.group = 0, .shared_ids = {1, 2, 3}, .branches = {}});
    for (int64_t b = 0; b < 20; ++b) groups[0].branches.push_back(start_of(b, {b}, 3));
    return groups;
  };
  Decoder whole(std::move(llama), {.slots = 16}), broken(std::move(poisoned), {.slots = 16});
  const auto expected = run_groups(whole, group());
  const auto found = run_groups(broken, group());
  int compared = 0;
  for (const auto& [key, branch] : found) {
    const std::vector<int64_t>& ids = expected.at(key).token_ids;
    const bool reads_poison = std::find(ids.begin(), ids.end() - 1, 11) != ids.end() - 1;
    EXPECT_EQ(!branch.error.empty(), reads_poison) << key.second << ": " << branch.error;
    if (reads_poison) continue;
    EXPECT_EQ(told(branch), told(expected.at(key)));
    ++compared;
  }
  EXPECT_NE(found.at({0, 11}).error.find("not finite"), std::string::npos);
  EXPECT_GE(compared, 10);
}

// R33 of the reliability rows: whichever of 62 branches it is, in whatever slots.
struct Poisoned {
  int64_t slots;
  at::ScalarType dtype;
};

class NotANumber : public testing::TestWithParam<Poisoned> {};

TEST_P(NotANumber, InAnyBranchLeavesTheOthersAsTheyWere) {
  constexpr int64_t kBranches = 62, kFirstHead = 10;
  const auto group = [] {
    std::vector<BranchGroup> groups;
    groups.push_back({.group = 0, .shared_ids = {1, 2, 3}, .branches = {}});
    for (int64_t b = 0; b < kBranches; ++b) {
      groups[0].branches.push_back(start_of(b, {kFirstHead + b}, 4));
    }
    return groups;
  };
  const auto run_with = [&](std::optional<int64_t> poison) {
    Llama llama = random_llama(GetParam().dtype);
    llama.lm_head = llama.embed_tokens.clone();
    llama.embed_tokens = llama.embed_tokens.clone();
    if (poison) llama.embed_tokens[*poison].fill_(std::numeric_limits<float>::quiet_NaN());
    Decoder decoder(std::move(llama), {.slots = GetParam().slots, .threads = 2});
    return run_groups(decoder, group());
  };
  const auto expected = run_with(std::nullopt);
  int64_t compared = 0;
  for (int64_t poison = kFirstHead; poison < kFirstHead + kBranches; ++poison) {
    for (const auto& [key, branch] : run_with(poison)) {
      const std::vector<int64_t>& ids = expected.at(key).token_ids;
      const bool reads_poison = std::find(ids.begin(), ids.end() - 1, poison) != ids.end() - 1;
      EXPECT_EQ(!branch.error.empty(), reads_poison) << poison << ": " << branch.error;
      if (reads_poison) continue;
      EXPECT_EQ(told(branch), told(expected.at(key))) << poison;
      ++compared;
    }
  }
  EXPECT_GT(compared, kBranches * (kBranches - 12));
  record_trials(kBranches);
}

INSTANTIATE_TEST_SUITE_P(Slots,
                         NotANumber,
                         testing::Values(Poisoned{16, at::kFloat},
                                         Poisoned{64, at::kFloat},
                                         Poisoned{16, at::kBFloat16},
                                         Poisoned{64, at::kBFloat16}));

TEST(Decoder, StopFlagEndsTheRunAndTheDecoderLivesOn) {
  Decoder decoder = decoder_with(16);
  const auto expected = run_groups(decoder, two_groups());
  ListSource source(two_groups());
  MapSink sink;
  StopFlag stop;
  int steps = 0;
  sink.on_step = [&] {
    if (++steps == 12) stop.request(15);
  };
  EXPECT_THROW(decoder.run(source, sink, stop), Error);
  EXPECT_EQ(steps, 12);
  EXPECT_GT(sink.branches.size(), 0u);
  EXPECT_LT(sink.branches.size(), 40u);
  for (const auto& [key, branch] : sink.branches) {
    EXPECT_EQ(told(branch), told(expected.at(key)));
  }
  expect_same(run_groups(decoder, two_groups()), expected);
}

void expect_refused(std::vector<BranchGroup> groups, const std::string& part) {
  Decoder decoder = decoder_with(16);
  expect_error([&] { run_groups(decoder, std::move(groups)); }, ExitCode::kBadData, part);
}

std::vector<BranchGroup> one_branch(std::vector<int64_t> shared, int64_t head, int64_t max_tokens) {
  std::vector<BranchGroup> groups;
  groups.push_back({.group = 17, .shared_ids = std::move(shared), .branches = {}});
  groups[0].branches.push_back(start_of(2, {head}, max_tokens));
  return groups;
}

TEST(Decoder, GroupThatPassesTheContextComesBackAndTheOthersGoOn) {
  Decoder decoder = decoder_with(16);
  auto groups = one_branch(ids_of(500, 1), 3, 13);  // 513 of 512
  groups.push_back(group_of(1, 5));
  const auto branches = run_groups(decoder, std::move(groups));
  const FinishedBranch& refused = branches.at({17, 2});
  EXPECT_NE(refused.error.find("500 shared tokens and up to 13 more"), std::string::npos)
      << refused.error;
  EXPECT_EQ(refused.token_ids, std::vector<int64_t>{3});
  ASSERT_EQ(branches.size(), 41u);
  for (int64_t b = 0; b < 40; ++b) EXPECT_EQ(branches.at({1, b}).error, "");
  EXPECT_EQ(run_groups(decoder, one_branch(ids_of(500, 1), 3, 12)).at({17, 2}).error, "");
}

TEST(Decoder, NamesTheGroupOfUnknownIds) {
  expect_refused(one_branch({}, 3, 10), "group 17");
  expect_refused(one_branch({1, kVocabulary}, 3, 10), "group 17 holds token id 97");
  expect_refused(one_branch({1}, -1, 10), "group 17, branch 2 holds token id -1");
}

TEST(Decoder, RefusesSlotsThatAreNoMultipleOf16) {
  EXPECT_THROW(decoder_with(24), Error);
  EXPECT_THROW(decoder_with(0), Error);
  EXPECT_EQ(Decoder(random_llama(), {}).slots() % 16, 0);
}

}  // namespace
}  // namespace thoughtrank
