#include "decode/verify_variants.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

using Ids = std::vector<int64_t>;

BranchStart make_start(int64_t number, const VerifyHead& head, int64_t new_tokens) {
  const int64_t head_tokens = std::ssize(head.ids) + (head.first_of.empty() ? 0 : 1);
  return {.branch = number,
          .head_ids = head.ids,
          .first_of = head.first_of,
          .max_tokens = head_tokens + new_tokens,
          .rule = std::make_unique<TokenRecorder>(),
          .sampling = head.sampling};
}

BranchGroup empty_group(int64_t number, const VerifyGroup& group) {
  return {.group = number, .shared_ids = group.shared_ids, .branches = {}};
}

std::vector<BranchGroup> in_order(const VariantPlan& plan) {
  std::vector<BranchGroup> made;
  for (int64_t g = 0; g < std::ssize(plan.groups); ++g) {
    const VerifyGroup& group = plan.groups[static_cast<size_t>(g)];
    made.push_back(empty_group(g, group));
    for (int64_t b = 0; b < std::ssize(group.heads); ++b) {
      made.back().branches.push_back(
          make_start(b, group.heads[static_cast<size_t>(b)], plan.options.new_tokens));
    }
  }
  return made;
}

// Branches shuffled, each group in two halves that are prefilled apart, the halves shuffled.
std::vector<BranchGroup> shuffled(const VariantPlan& plan) {
  RandomStream random(plan.options.seed, "verify order");
  std::vector<BranchGroup> halves;
  for (BranchGroup& group : in_order(plan)) {
    random.shuffle(group.branches);
    BranchGroup half{.group = group.group, .shared_ids = group.shared_ids, .branches = {}};
    const auto middle = group.branches.begin() + (std::ssize(group.branches) + 1) / 2;
    std::move(middle, group.branches.end(), std::back_inserter(half.branches));
    group.branches.erase(middle, group.branches.end());
    halves.push_back(std::move(group));
    if (!half.branches.empty()) halves.push_back(std::move(half));
  }
  random.shuffle(halves);
  return halves;
}

// Random branches that never need more room than the branches they stand beside.
class Noise {
 public:
  Noise(const VariantPlan& plan, uint64_t number)
      : plan_(plan), random_(plan.options.seed, "verify noise", {number}) {}

  BranchStart branch(int64_t most_tokens) {
    const int64_t head = 1 + below(7);
    return {.branch = kNoise,
            .head_ids = ids(head),
            .first_of = {},
            .max_tokens = head + 1 + below(most_tokens),
            .rule = std::make_unique<TokenRecorder>()};
  }

  BranchGroup group(int64_t branches) {
    const Ids& shared = plan_.groups.front().shared_ids;
    BranchGroup made{
        .group = kNoise, .shared_ids = ids(1 + below(std::ssize(shared))), .branches = {}};
    for (int64_t b = 0; b < branches; ++b) {
      made.branches.push_back(branch(plan_.options.new_tokens));
    }
    return made;
  }

 private:
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(bound)));
  }
  Ids ids(int64_t count) {
    Ids made(static_cast<size_t>(count));
    for (int64_t& id : made) id = below(plan_.vocab_size);
    return made;
  }

  const VariantPlan& plan_;
  RandomStream random_;
};

// Two runs: every second branch keeps its place, noise takes the places of the others; groups of
// noise stand before and between.
std::vector<std::vector<BranchGroup>> among_noise(const VariantPlan& plan) {
  constexpr int64_t kNoiseBranches = 5;
  std::vector<std::vector<BranchGroup>> runs(2);
  for (int64_t kept = 0; kept < 2; ++kept) {
    Noise noise(plan, static_cast<uint64_t>(kept));
    for (BranchGroup& group : in_order(plan)) {
      for (BranchStart& start : group.branches) {
        if (start.branch % 2 != kept) start = noise.branch(start.max_tokens);
      }
      auto& run = runs[static_cast<size_t>(kept)];
      run.push_back(noise.group(kNoiseBranches));
      run.push_back(std::move(group));
    }
  }
  return runs;
}

// All but the first shared id belong to every branch alone.
std::vector<BranchGroup> copied_prefix(const VariantPlan& plan) {
  std::vector<BranchGroup> groups = in_order(plan);
  for (BranchGroup& group : groups) {
    const Ids copied(group.shared_ids.begin() + 1, group.shared_ids.end());
    group.shared_ids.resize(1);
    for (BranchStart& start : group.branches) {
      start.head_ids.insert(start.head_ids.begin(), copied.begin(), copied.end());
      start.max_tokens += std::ssize(copied);
    }
  }
  return groups;
}

// Slots that the branches leave free hold noise.
std::vector<BranchGroup> filled(const VariantPlan& plan, int64_t slots) {
  std::vector<BranchGroup> groups = in_order(plan);
  int64_t branches = 0;
  for (const BranchGroup& group : groups) branches += std::ssize(group.branches);
  if (slots > branches) {
    Noise noise(plan, static_cast<uint64_t>(slots));
    groups.insert(groups.begin(), noise.group(slots - branches));
  }
  return groups;
}

std::vector<std::vector<BranchGroup>> one_run(std::vector<BranchGroup> groups) {
  std::vector<std::vector<BranchGroup>> runs;
  runs.push_back(std::move(groups));
  return runs;
}

}  // namespace

std::vector<Variant> make_variants(const VariantPlan& plan) {
  const DecoderSetup setup{.slots = plan.slots, .threads = plan.options.reference.threads};
  const bool is_exact = plan.options.is_float32;
  std::vector<Variant> variants;
  variants.push_back({"reference", setup, true, one_run(in_order(plan))});
  variants.push_back({"shuffled order", setup, true, one_run(shuffled(plan))});
  variants.push_back({"among noise", setup, true, among_noise(plan)});
  variants.push_back({"copied prefix", setup, is_exact, one_run(copied_prefix(plan))});
  for (const int64_t slots : {16, 64, 128}) {
    if (slots == plan.slots) continue;
    variants.push_back({"other slots",
                        {.slots = slots, .threads = setup.threads},
                        is_exact,
                        one_run(filled(plan, slots))});
  }
  for (const int64_t threads : plan.options.other_threads) {
    if (threads == setup.threads) continue;
    variants.push_back({"other threads",
                        {.slots = plan.slots, .threads = threads},
                        is_exact,
                        one_run(in_order(plan))});
  }
  return variants;
}

}  // namespace thoughtrank
