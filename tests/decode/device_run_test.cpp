// The engine of fixed slots on tensors of the CPU: it must choose what the CPU's own engine
// chooses. What is about slots, pages and the lag runs libtorch's forms of the operations; what is
// about the kernels runs their CUDA sources on the host, thread by thread, in few slots.
#include "decode/device_run.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "decode/random_llama.h"
#include "decode/score.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

std::vector<int64_t> ids_of(int64_t length, int64_t seed) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < length; ++i) {
    ids.push_back((seed * 31 + i * 17 + i * i * 5) % kVocabulary);
  }
  return ids;
}

// After five tokens three are forced, in place of the fifth or after it; later it stops by itself.
BranchStep close_and_stop(const std::vector<TokenChoice>& told, int64_t branch) {
  const auto count = std::ssize(told);
  if (count == 5) {
    return {.kind = BranchStep::Kind::force,
            .drops_token = branch % 2 == 0,
            .forced = {60 + branch, 7, 8}};
  }
  const bool ends = count == 12 + branch % 7;
  return {.kind = ends ? BranchStep::Kind::stop : BranchStep::Kind::go_on,
          .drops_token = ends && branch % 3 == 0,
          .forced = {}};
}

// Prompts of 1, 70 and 140 tokens, 25 branches each, or fewer: heads of no to three tokens, some
// with candidates for the first token, some with a rule that forces and stops, some over page
// borders.
std::vector<BranchGroup> mixed_groups(const std::vector<int64_t>& prompts = {70, 1, 140},
                                      int64_t branches = 25,
                                      int64_t most_tokens = 90) {
  std::vector<BranchGroup> groups;
  for (const int64_t prompt : prompts) {
    groups.push_back({.group = prompt, .shared_ids = ids_of(prompt, prompt), .branches = {}});
    for (int64_t b = 0; b < branches; ++b) {
      RecordingRule::Decide decide;
      if (b % 2 == 0) decide = [b](const auto& told) { return close_and_stop(told, b); };
      groups.back().branches.push_back(
          start_of(b, ids_of(b % 4, 50 + b), b % 5 == 0 ? most_tokens : 8 + b, std::move(decide)));
      if (b % 6 == 0) groups.back().branches.back().first_of = {3, 14, 15, 92};
    }
  }
  return groups;
}

const StepKernels kLibtorch(step_kernel_names());
const StepKernels kCuda;

// Of all operations the named one alone is the CUDA source's.
StepKernels cuda_only(const std::string& name) {
  std::vector<std::string> others = step_kernel_names();
  std::erase(others, name);
  return StepKernels(others);
}

struct Setup {
  int64_t slots = 16;
  int64_t pages = 400;
  int64_t layers = 1;
  const StepKernels& kernels = kLibtorch;
};

Llama llama_of(int64_t layers) {
  LlamaConfig config = small_config();
  config.num_hidden_layers = layers;
  return random_llama(at::kFloat, config);
}

DeviceLlama device_llama(const Setup& setup) {
  DeviceLlama model(llama_of(setup.layers), setup.slots, setup.pages, setup.kernels);
  model.resize_table(/*suffix_pages=*/2,
                     /*prefix_pages=*/4);  // libtorch's attention reads them all
  return model;
}

std::map<BranchKey, FinishedBranch> run_on_slots(const Setup& setup,
                                                 std::vector<BranchGroup> groups,
                                                 int64_t* steps = nullptr) {
  const at::NoGradGuard no_grad;
  DeviceLlama model = device_llama(setup);
  const auto queue = open_device_queue(at::kCPU);
  ListSource source(std::move(groups));
  MapSink sink;
  if (steps != nullptr) sink.on_step = [steps] { ++*steps; };
  const StopFlag stop;
  DeviceRun(model, *queue, {.source = source, .sink = sink, .stop = stop}).run();
  return std::move(sink.branches);
}

void expect_same_choices(const std::map<BranchKey, FinishedBranch>& expected,
                         const std::map<BranchKey, FinishedBranch>& found) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [key, branch] : expected) {
    const FinishedBranch& other = found.at(key);
    EXPECT_EQ(other.error, branch.error);
    ASSERT_EQ(other.token_ids, branch.token_ids) << key.first << " " << key.second;
    const auto &a = told(branch), &b = told(other);
    ASSERT_EQ(a.size(), b.size());
    for (size_t n = 0; n < a.size(); ++n) {
      EXPECT_EQ(a[n].is_forced, b[n].is_forced);
      EXPECT_NEAR(a[n].log_probability, b[n].log_probability, 1e-4);
      EXPECT_NEAR(a[n].margin, b[n].margin, 1e-4);
    }
  }
}

TEST(DeviceRun, ChoosesWhatTheEngineOfTheCpuChooses) {
  Decoder decoder(llama_of(3), {.slots = 16, .threads = 2});
  const auto expected = run_groups(decoder, mixed_groups());
  ASSERT_EQ(expected.size(), 75u);
  expect_same_choices(expected, run_on_slots({.layers = 3}, mixed_groups()));
  expect_same_choices(expected, run_on_slots({.slots = 64, .layers = 3}, mixed_groups()));
}

void expect_same_bits(const std::map<BranchKey, FinishedBranch>& expected,
                      const std::map<BranchKey, FinishedBranch>& found) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [key, branch] : expected) {
    EXPECT_EQ(found.at(key).token_ids, branch.token_ids);
    EXPECT_EQ(told(found.at(key)), told(branch)) << key.first << " " << key.second;
  }
}

// Few branches, one of them over a page border, and few slots: each thread of a kernel runs by
// itself.
TEST(DeviceRun, EveryKernelInPlaceOfItsPlainOperationChoosesTheSame) {
  const auto found = [](const StepKernels& kernels) {
    return run_on_slots({.slots = 3, .pages = 30, .layers = 2, .kernels = kernels},
                        mixed_groups({70}, /*branches=*/7, /*most_tokens=*/70));
  };
  const auto expected = found(kLibtorch);
  ASSERT_EQ(expected.size(), 7u);
  expect_same_choices(expected, found(kCuda));
  for (const std::string& name : step_kernel_names()) {
    SCOPED_TRACE(name);
    expect_same_choices(expected, found(cuda_only(name)));
  }
  EXPECT_THROW(StepKernels({"no_such_kernel"}), Error);
}

TEST(DeviceRun, BranchesThatArePutOffGiveTheSameBits) {
  const auto expected = run_on_slots({}, mixed_groups());
  for (const int64_t pages : {6, 9, 20}) {
    expect_same_bits(expected, run_on_slots({.pages = pages}, mixed_groups()));
  }
}

TEST(DeviceRun, WhatFitsNowhereComesBackAndTheOthersGoOn) {
  const auto found = run_on_slots({.pages = 4}, mixed_groups());
  ASSERT_EQ(found.size(), 75u);
  for (const auto& [key, branch] : found) {
    // Three pages for the 139 tokens of the prefix, two for a branch of 90 without a rule.
    if (key.first == 140 && (key.second == 5 || key.second == 15)) {
      EXPECT_EQ(branch.cause, BreakCause::memory);
    } else {
      EXPECT_EQ(branch.error, "") << key.first << " " << key.second;
    }
  }
}

// The device is one step ahead: a branch costs at most one step more than its tokens.
TEST(DeviceRun, TheLagCostsOneStep) {
  std::vector<BranchGroup> groups;
  groups.push_back({.group = 0, .shared_ids = ids_of(9, 1), .branches = {}});
  groups[0].branches.push_back(start_of(0, {5}, 41));
  int64_t steps = 0;
  run_on_slots({.pages = 10}, std::move(groups), &steps);
  EXPECT_EQ(steps, 41);  // the last shared token, the head and 39 of the 40 new ones are read
}

TEST(DeviceRun, StopsWhenAsked) {
  const at::NoGradGuard no_grad;
  DeviceLlama model = device_llama({});
  const auto queue = open_device_queue(at::kCPU);
  ListSource source(mixed_groups());
  MapSink sink;
  StopFlag stop;
  int steps = 0;
  sink.on_step = [&] {
    if (++steps == 15) stop.request(15);
  };
  EXPECT_THROW(DeviceRun(model, *queue, {.source = source, .sink = sink, .stop = stop}).run(),
               Error);
  EXPECT_EQ(steps, 15);
}

TEST(DeviceScore, EqualsPlainForward) {
  const at::NoGradGuard no_grad;
  const std::vector<int64_t> shared{3, 1, 4, 1, 5, 9, 2, 6};
  DeviceLlama model(random_llama(), /*slots=*/16, /*pages=*/1);
  const auto all = continuations();
  const auto scores = score_on_device(model, shared, all);
  ASSERT_EQ(scores.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(scores[i].tokens, std::ssize(all[i]));
    EXPECT_NEAR(scores[i].log_probability, plain_score(random_llama(), shared, all[i]), 1e-3) << i;
  }
  EXPECT_THROW((void)score_on_device(model, shared, {{kVocabulary}}), Error);
}

TEST(DeviceScore, WhatIsGivenIsReadAndNotScored) {
  const at::NoGradGuard no_grad;
  DeviceLlama model(random_llama(), /*slots=*/16, /*pages=*/1);
  const std::vector<int64_t> text = ids_of(30, 2);
  const auto scores = score_on_device(model, {3, 1}, {text, text, text}, {0, 20, 30});
  std::vector<int64_t> before{3, 1};
  before.insert(before.end(), text.begin(), text.begin() + 20);
  const double rest = plain_score(random_llama(), before, {text.begin() + 20, text.end()});
  EXPECT_EQ(scores[1].tokens, 10);
  EXPECT_NEAR(scores[1].log_probability, rest, 1e-3);
  EXPECT_NEAR(scores[0].log_probability, plain_score(random_llama(), {3, 1}, text), 1e-3);
  EXPECT_EQ(scores[2].tokens, 0);
  EXPECT_EQ(scores[2].log_probability, 0);
}

}  // namespace
}  // namespace thoughtrank
