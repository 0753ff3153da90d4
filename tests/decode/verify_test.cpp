#include "thoughtrank/decode/verify.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "decode/random_llama.h"
#include "decode/verify_variants.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

std::vector<int64_t> ids_of(int64_t length, int64_t seed) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < length; ++i)
    ids.push_back((seed * 31 + i * 17 + i * i * 5) % kVocabulary);
  return ids;
}

// Prompts of 40 and 5 tokens; 20 branches each, one of them with a chosen first token.
std::vector<VerifyGroup> two_groups() {
  std::vector<VerifyGroup> groups;
  for (const int64_t length : {40, 5}) {
    VerifyGroup group{.shared_ids = ids_of(length, length), .heads = {}};
    for (int64_t b = 0; b < 20; ++b) {
      group.heads.push_back({.ids = ids_of(1 + b % 3, 50 + b), .first_of = {}});
    }
    group.heads[7].first_of = {3, 41, 90};
    groups.push_back(std::move(group));
  }
  return groups;
}

class VerifyDecoding : public testing::Test {
 protected:
  void SetUp() override { show_progress(false); }
  void TearDown() override { at::set_num_threads(threads_before_); }

  bool verify(const MakeDecoder& make_decoder, VerifyOptions options = {}) {
    options.reference = {.slots = 32, .threads = 1};
    options.new_tokens = 9;
    const std::vector<VerifyGroup> groups = two_groups();
    const SystemClock clock;
    Progress progress({.stage = "verify", .unit = "branches", .total = 0, .rate_unit = "tok"},
                      clock);
    results_.clear();
    return verify_decoding({.groups = groups,
                            .make_decoder = make_decoder,
                            .options = options,
                            .take = [&](const VariantResult& r) { results_.push_back(r); },
                            .stop = stop_,
                            .progress = progress});
  }

  std::vector<VariantResult> results_;
  StopFlag stop_;

 private:
  int threads_before_ = at::get_num_threads();
};

Decoder make(Llama llama, const DecoderSetup& setup) {
  at::set_num_threads(static_cast<int>(setup.threads));
  return Decoder(std::move(llama), {.slots = setup.slots});
}

// A model whose logits are all a hair larger: the same ids, other bits.
Llama nudged_llama() {
  Llama llama = random_llama();
  llama.lm_head = llama.lm_head * (1 + 1e-6);
  return llama;
}

Decoder make_random(const DecoderSetup& setup) { return make(random_llama(), setup); }

// A copied prefix has its own test.
TEST_F(VerifyDecoding, SettingsChangeNoBitInFloat32) {
  (void)verify(make_random);
  std::multiset<std::string> names;
  for (const VariantResult& result : results_) {
    names.insert(result.name);
    EXPECT_TRUE(result.is_promised);
    if (result.name != "copied prefix") {
      EXPECT_FALSE(result.difference) << result.name;
    }
    EXPECT_EQ(result.branches, 40);
    EXPECT_EQ(result.tokens, 38 * 9 + 2 * 10) << result.name;
  }
  const std::multiset<std::string> expected{"reference",
                                            "shuffled order",
                                            "among noise",
                                            "copied prefix",
                                            "other slots",
                                            "other slots",
                                            "other slots",
                                            "other threads"};
  EXPECT_EQ(names, expected);
}

TEST_F(VerifyDecoding, ACopiedPrefixChangesNoBitInFloat32) {
  EXPECT_TRUE(verify(make_random));
  for (const VariantResult& result : results_) EXPECT_FALSE(result.difference) << result.name;
}

TEST_F(VerifyDecoding, ShowsTheFirstTokenOfADecoderThatDiffers) {
  const bool holds = verify([](const DecoderSetup& setup) {
    return make(setup.threads == 2 ? nudged_llama() : random_llama(), setup);
  });
  EXPECT_FALSE(holds);
  for (const VariantResult& result : results_) {
    if (result.name == "copied prefix") continue;
    EXPECT_EQ(result.difference.has_value(), result.threads == 2) << result.name;
  }
  const VariantResult& threads = results_.back();
  EXPECT_EQ(threads.differing_branches, 40);
  ASSERT_TRUE(threads.difference && threads.difference->expected && threads.difference->found);
  EXPECT_EQ(threads.difference->group, 0);
  EXPECT_EQ(threads.difference->branch, 0);
  EXPECT_EQ(threads.difference->expected->id, threads.difference->found->id);
  EXPECT_NEAR(threads.difference->expected->margin, threads.difference->found->margin, 1e-4);
}

TEST_F(VerifyDecoding, Bfloat16PromisesFixedSlotsAndThreadsOnly) {
  const auto differs_at_64 = [](const DecoderSetup& setup) {
    Llama llama = random_llama(at::kBFloat16);
    if (setup.slots == 64) llama.norm = llama.norm * 2;
    return make(std::move(llama), setup);
  };
  EXPECT_TRUE(verify(differs_at_64, {.is_float32 = false}));
  for (const VariantResult& result : results_) {
    const bool has_reference_setup = result.slots == 32 && result.threads == 1;
    EXPECT_EQ(result.is_promised, has_reference_setup && result.name != "copied prefix");
    if (result.slots == 64) {
      EXPECT_TRUE(result.difference);
    }
    if (result.is_promised) {
      EXPECT_FALSE(result.difference) << result.name;
    }
  }
}

TEST_F(VerifyDecoding, ABranchThatBreaksOffInAVariantDiffers) {
  const bool holds = verify([](const DecoderSetup& setup) {
    Llama llama = random_llama();
    if (setup.slots == 128) llama.norm = llama.norm * std::numeric_limits<float>::quiet_NaN();
    return make(std::move(llama), setup);
  });
  EXPECT_FALSE(holds);
  for (const VariantResult& result : results_) {
    if (result.slots != 128) continue;
    ASSERT_TRUE(result.difference);
    EXPECT_EQ(result.difference->token, 0);
    EXPECT_TRUE(result.difference->expected);
    EXPECT_FALSE(result.difference->found);
  }
}

TEST_F(VerifyDecoding, AReferenceThatBreaksProvesNothing) {
  const auto broken = [](const DecoderSetup& setup) {
    Llama llama = random_llama();
    llama.norm = llama.norm * std::numeric_limits<float>::quiet_NaN();
    return make(std::move(llama), setup);
  };
  EXPECT_THROW((void)verify(broken), Error);
}

// The whole text of each branch: its shared ids, its head.
using Texts = std::map<BranchKey, std::vector<int64_t>>;

Texts texts_of(const Variant& variant, int64_t& noise) {
  Texts texts;
  for (const auto& groups : variant.runs) {
    for (const BranchGroup& group : groups) {
      for (const BranchStart& start : group.branches) {
        std::vector<int64_t> ids = group.shared_ids;
        ids.insert(ids.end(), start.head_ids.begin(), start.head_ids.end());
        const bool is_noise = group.group == kNoise || start.branch == kNoise;
        noise += is_noise ? 1 : 0;
        if (!is_noise) {
          EXPECT_TRUE(texts.emplace(BranchKey{group.group, start.branch}, ids).second);
        }
      }
    }
  }
  return texts;
}

TEST(VerifyVariants, EachHoldsEveryBranchOnceInAnotherSetting) {
  const std::vector<VerifyGroup> groups = two_groups();
  const VerifyOptions options{.reference = {.slots = 32, .threads = 1}};
  const auto variants =
      make_variants({.groups = groups, .options = options, .slots = 32, .vocab_size = kVocabulary});
  int64_t noise_of_reference = 0;
  const Texts expected = texts_of(variants[0], noise_of_reference);
  EXPECT_EQ(expected.size(), 40u);
  EXPECT_EQ(noise_of_reference, 0);
  for (const Variant& variant : variants) {
    int64_t noise = 0;
    EXPECT_EQ(texts_of(variant, noise), expected) << variant.name;
    const bool is_filled = variant.setup.slots == 64 || variant.setup.slots == 128;
    const int64_t fill = is_filled ? *variant.setup.slots - 40 : 0;
    EXPECT_EQ(noise, variant.name == "among noise" ? 40 + 2 * 2 * 5 : fill) << variant.name;
    if (variant.name == "copied prefix") {
      EXPECT_EQ(variant.runs[0][0].shared_ids.size(), 1u);
    }
    if (variant.name == "shuffled order") {
      EXPECT_EQ(variant.runs[0].size(), 4u);
      EXPECT_NE(variant.runs[0][0].branches[0].branch, 0);
    }
  }
}

}  // namespace
}  // namespace thoughtrank
