#include "decode/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "decode/random_llama.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/kv_pages.h"

namespace thoughtrank {
namespace {

// Ten logits with known probabilities at temperature 1.
const std::vector<float> kLogits = {0, 1, 2, 3, 0.5F, -1, 2.5F, 2.5F, -4, 1.5F};

std::vector<double> softmax(double temperature) {
  std::vector<double> p;
  for (const float logit : kLogits) p.push_back(std::exp(double{logit} / temperature));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

TokenChoice draw(const Sampling& sampling, int64_t number) {
  return draw_token(kLogits.data(), std::ssize(kLogits), sampling, number).value();
}

std::vector<double> frequencies(const Sampling& sampling, int64_t draws) {
  std::vector<double> found(kLogits.size(), 0.0);
  for (int64_t n = 0; n < draws; ++n) {
    found[static_cast<size_t>(draw(sampling, n).id)] += 1.0 / static_cast<double>(draws);
  }
  return found;
}

// Each share within five deviations of its probability.
void expect_shares(const std::vector<double>& found,
                   const std::vector<double>& p,
                   int64_t draws,
                   const std::string& what) {
  for (size_t id = 0; id < p.size(); ++id) {
    const double deviation = std::sqrt(p[id] * (1 - p[id]) / static_cast<double>(draws));
    EXPECT_NEAR(found[id], p[id], 5 * deviation + 1e-12) << what << ", token " << id;
  }
}

TEST(DrawToken, FollowsSoftmaxOfTheLogitsOverTheTemperature) {
  constexpr int64_t kDraws = 40'000;
  for (const double temperature : {0.5, 1.0, 3.0}) {
    expect_shares(frequencies({.temperature = temperature, .stream = 11}, kDraws),
                  softmax(temperature),
                  kDraws,
                  fmt::format("temperature {}", temperature));
  }
}

// By probability: 3, 6, 7 (as likely, the lower id first), 2, 9, 1, 4, 0, 5, 8.
TEST(DrawToken, TopPKeepsTheFewestMostProbableTokens) {
  constexpr int64_t kDraws = 20'000;
  const std::vector<double> p = softmax(1);
  const std::vector<size_t> order = {3, 6, 7, 2, 9, 1, 4, 0, 5, 8};
  for (const double top_p : {0.2, p[3] + p[6], 0.9, 0.9999}) {
    std::vector<double> kept(p.size(), 0.0);
    double mass = 0;
    for (const size_t id : order) {
      if (mass >= top_p - 1e-12) break;
      mass += p[id];
      kept[id] = p[id];
    }
    for (double& value : kept) value /= mass;
    expect_shares(frequencies({.temperature = 1, .top_p = top_p, .stream = 5}, kDraws),
                  kept,
                  kDraws,
                  fmt::format("top_p {}", top_p));
  }
}

// More tokens than the first part that is sorted, all as likely.
TEST(DrawToken, ANucleusMayBeLarge) {
  const std::vector<float> flat(1000, 0.25F);
  std::set<int64_t> found;
  for (int64_t n = 0; n < 20'000; ++n) {
    found.insert(
        draw_token(flat.data(), 1000, {.temperature = 1, .top_p = 0.5, .stream = 3}, n)->id);
  }
  EXPECT_EQ(found.size(), 500u);
  EXPECT_EQ(*found.rbegin(), 499) << "equal logits by their ids";
}

TEST(DrawToken, TellsTheModelsOwnProbabilityAndMargin) {
  const std::vector<double> p = softmax(1);
  for (int64_t n = 0; n < 20; ++n) {
    const TokenChoice token = draw({.temperature = 2, .top_p = 0.9, .stream = 1}, n);
    EXPECT_NEAR(token.log_probability, std::log(p[static_cast<size_t>(token.id)]), 1e-12);
    EXPECT_DOUBLE_EQ(token.margin, 0.5);
    EXPECT_FALSE(token.is_forced);
  }
}

TEST(DrawToken, StreamAndNumberDecide) {
  const auto ids = [](uint64_t stream) {
    std::vector<int64_t> found;
    for (int64_t n = 0; n < 40; ++n)
      found.push_back(draw({.temperature = 1, .stream = stream}, n).id);
    return found;
  };
  EXPECT_EQ(ids(1), ids(1));
  EXPECT_NE(ids(1), ids(2));
}

TEST(DrawToken, ALowTemperatureTakesTheBestAndAHighOneAny) {
  std::set<int64_t> cold, hot;
  for (int64_t n = 0; n < 3000; ++n) {
    cold.insert(draw({.temperature = 1e-3, .stream = 9}, n).id);
    hot.insert(draw({.temperature = 100, .stream = 9}, n).id);
  }
  EXPECT_EQ(cold, std::set<int64_t>{3});
  EXPECT_EQ(hot.size(), kLogits.size());
}

TEST(DrawToken, LogitsThatAreNoNumbersGiveNothing) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> logits = kLogits;
    logits[4] = bad;
    EXPECT_FALSE(draw_token(logits.data(), std::ssize(logits), {.temperature = 1}, 0).has_value());
  }
}

// The engine: 40 branches that draw beside 40 that do not.
std::vector<BranchGroup> drawing_groups() {
  std::vector<BranchGroup> groups;
  for (const int64_t prompt : {30, 5}) {
    std::vector<int64_t> shared;
    for (int64_t i = 0; i < prompt; ++i) shared.push_back((prompt * 31 + i * 17) % kVocabulary);
    groups.push_back({.group = prompt, .shared_ids = shared, .branches = {}});
    for (int64_t b = 0; b < 40; ++b) {
      groups.back().branches.push_back(start_of(b, {(b * 7) % kVocabulary}, 24));
      if (b % 2 == 0) continue;
      groups.back().branches.back().sampling = {
          .temperature = 0.8, .top_p = 0.95, .stream = static_cast<uint64_t>(100 * prompt + b)};
    }
  }
  return groups;
}

TEST(DrawingBranches, DoNotDependOnSlotsThreadsOrMemory) {
  Decoder reference(random_llama(at::kFloat), {.slots = 128, .threads = 1});
  const auto expected = run_groups(reference, drawing_groups());
  ASSERT_EQ(expected.size(), 80u);
  const LlamaConfig config = small_config();
  const KvPool pool({.layers = config.num_hidden_layers,
                     .kv_heads = config.num_key_value_heads,
                     .head_dim = config.head_dim,
                     .dtype = at::kFloat});
  for (const DecodeOptions& options :
       {DecodeOptions{.slots = 16, .threads = 2},
        DecodeOptions{.slots = 64, .threads = 1},
        DecodeOptions{.slots = 16, .threads = 2, .kv_bytes = 5 * pool.page_bytes()}}) {
    Decoder decoder(random_llama(at::kFloat), options);
    const auto found = run_groups(decoder, drawing_groups());
    ASSERT_EQ(found.size(), 80u);
    for (const auto& [key, branch] : found) {
      EXPECT_EQ(branch.error, "");
      EXPECT_EQ(told(branch), told(expected.at(key))) << key.first << " " << key.second;
    }
  }
}

TEST(DrawingBranches, DrawFromTheLogitsThatThePlainModelHas) {
  const Llama llama = random_llama(at::kFloat);
  Decoder decoder(random_llama(at::kFloat), {.slots = 16, .threads = 1});
  const auto groups = drawing_groups();
  const auto branches = run_groups(decoder, drawing_groups());
  int64_t drawn = 0, best = 0;
  for (const BranchStart& start : groups[1].branches) {
    std::vector<int64_t> ids = groups[1].shared_ids;
    ids.insert(ids.end(), start.head_ids.begin(), start.head_ids.end());
    int64_t number = 0;
    for (const TokenChoice& token : told(branches.at({groups[1].group, start.branch}))) {
      const at::Tensor logits = plain_logits(llama, ids).contiguous();
      const int64_t argmax = logits.argmax().item<int64_t>();
      if (start.sampling.temperature > 0) {
        const auto wanted =
            draw_token(logits.const_data_ptr<float>(), logits.size(0), start.sampling, number++);
        EXPECT_EQ(token.id, wanted->id) << start.branch << " " << number;
        drawn += 1;
        best += token.id == argmax ? 1 : 0;
      } else {
        EXPECT_EQ(token.id, argmax);
      }
      ids.push_back(token.id);
    }
  }
  EXPECT_GT(drawn, 400);
  EXPECT_LT(best, drawn) << "some are not the most probable ones";
}

}  // namespace
}  // namespace thoughtrank
