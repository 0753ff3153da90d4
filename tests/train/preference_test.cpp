// DPO with a likelihood term: against PyTorch's own formula, on pairs of random tokens.
#include "train/preference.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <csignal>
#include <thread>

#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"
#include "train/counting_allocator.h"
#include "train/training_room.h"
#include "train/weight_arena.h"

namespace thoughtrank {
namespace {

// Largest differences to the formula in float32.
constexpr double kLossTolerance = 1e-5, kGradientTolerance = 1e-5;

TokenIds random_ids(uint64_t seed, int64_t count) {
  return random_row(seed, /*prompt=*/1, count).input_ids;
}

std::vector<PreferencePairRow> random_pairs(int64_t count) {
  std::vector<PreferencePairRow> pairs;
  for (int64_t n = 0; n < count; ++n) {
    const auto seed = static_cast<uint64_t>(3 * n);
    PreferencePairRow pair;
    pair.prompt_id = "pair-" + std::to_string(n);
    pair.prompt_ids = random_ids(seed, 3 + n % 3);
    pair.chosen_ids = random_ids(seed + 1, 4 + n % 4);
    pair.rejected_ids = random_ids(seed + 2, 7 - n % 3);
    const int64_t begin = std::ssize(pair.prompt_ids);
    pair.chosen_spans = {{begin, begin + std::ssize(pair.chosen_ids), 1.0}};
    pair.rejected_spans = {{begin, begin + std::ssize(pair.rejected_ids), 1.0}};
    pairs.push_back(pair);
  }
  return pairs;
}

// log p of a completion after its prompt, from whole logits.
at::Tensor log_probability(const Llama& model, const TokenIds& prompt, const TokenIds& completion) {
  TokenIds ids = prompt;
  ids.insert(ids.end(), completion.begin(), completion.end());
  const int64_t tokens = std::ssize(ids), from = std::ssize(prompt);
  const at::Tensor all = at::tensor(ids, at::kLong);
  const at::Tensor logits = forward_logits(model, {.ids = all, .offsets = {0, tokens}});
  const at::Tensor chosen = all.slice(0, from).unsqueeze(1);
  return at::log_softmax(logits.slice(0, from - 1, tokens - 1), -1).gather(1, chosen).sum();
}

struct Formula {
  at::Tensor loss;
  double margin = 0;
};

// Rafailov et al., equation 7, plus Pang et al.'s second term as a token mean.
Formula formula_of(const Llama& model,
                   const Llama& start,
                   const std::vector<PreferencePairRow>& pairs,
                   const DpoOptions& options) {
  at::Tensor loss = at::zeros({}), likelihood = at::zeros({});
  double margin = 0, tokens = 0;
  for (const PreferencePairRow& pair : pairs) {
    const at::Tensor chosen = log_probability(model, pair.prompt_ids, pair.chosen_ids);
    const at::Tensor rejected = log_probability(model, pair.prompt_ids, pair.rejected_ids);
    const at::NoGradGuard no_grad;
    const at::Tensor before = log_probability(start, pair.prompt_ids, pair.chosen_ids) -
                              log_probability(start, pair.prompt_ids, pair.rejected_ids);
    const at::AutoGradMode with_gradients(true);
    const at::Tensor reward = (chosen - rejected - before) * options.beta;
    loss = loss - at::log_sigmoid(reward);
    likelihood = likelihood - chosen;
    margin += reward.item<double>();
    tokens += static_cast<double>(pair.chosen_ids.size());
  }
  const auto count = static_cast<double>(pairs.size());
  return {.loss = loss / count + likelihood * (options.nll / tokens), .margin = margin / count};
}

// Another model than the start: each weight a little off, as after some steps.
void disturb(Llama& model) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, weight] : model.named_parameters()) {
    const at::Tensor n = at::arange(weight.numel(), at::kFloat).view(weight.sizes());
    weight.add_(at::sin(n * 0.7) * 0.02);
  }
}

class PreferenceOn : public testing::TestWithParam<const char*> {};

TEST_P(PreferenceOn, LossGradientsAndRewardsEqualTheFormula) {
  const TemporaryFolder work;
  TestTraining training(work.path());
  training.options.dpo = {.beta = 0.7, .nll = 0.3};
  training.options.tokens_per_step = 1000;
  training.options.sequence_length = 40;  // several sequences
  const TrainSetup setup = training.setup();
  const std::vector<PreferencePairRow> pairs = random_pairs(5);
  const auto load = [] { return load_tiny(at::kFloat, GetParam()); };
  const Llama start = load();
  Llama ours = load(), theirs = load();
  const auto rows = rows_of_pairs(pairs, start.config, setup.options.sequence_length);
  PreferenceLoss preference(rows, setup);
  MicroBatches micro_batches(/*rows_per_unit=*/2);
  preference.prepare_reference(start, micro_batches, {});
  disturb(ours);
  disturb(theirs);
  WeightArena arena(ours, at::kFloat, at::kFloat), their_arena(theirs, at::kFloat, at::kFloat);
  const StepPlan step = plan_steps(rows, setup, /*rows_per_unit=*/2).at(0);
  ASSERT_GT(step.sequences.size(), 1U);
  double loss = 0;
  for (const Sequence& sequence : step.sequences) {
    const at::Tensor part = preference.part(ours, sequence, step);
    part.backward();
    loss += part.item<double>();
  }
  const Formula formula = formula_of(theirs, start, pairs, setup.options.dpo);
  formula.loss.backward();
  EXPECT_NEAR(loss, formula.loss.item<double>(), kLossTolerance);
  EXPECT_NEAR(*preference.metrics().margin, formula.margin, kLossTolerance);
  EXPECT_NEAR(
      preference.mean(ours, micro_batches, {}), formula.loss.item<double>(), kLossTolerance);
  const at::Tensor gradients = arena.buffers().gradients;
  EXPECT_GT(gradients.abs().max().item<double>(), 100 * kGradientTolerance);
  EXPECT_LT((gradients - their_arena.buffers().gradients).abs().max().item<double>(),
            kGradientTolerance);
}

INSTANTIATE_TEST_SUITE_P(Tiny, PreferenceOn, testing::Values("tiny-llama", "tiny-llama3"));

void configure(TestTraining& training) {
  training.options.objective = Objective::dpo_nll;
  training.options.tokens_per_step = 40;
  training.options.epochs = 2;
  training.options.state_every = 1;
}

TEST(Preference, RewardsRiseFromNothing) {
  const TemporaryFolder work;
  TestTraining training(work.path());
  configure(training);
  training.options.epochs = 8;
  Llama model = load_tiny();
  const TrainResult result = training.run(model, random_pairs(6));
  EXPECT_EQ(result.rows, 6);
  EXPECT_NEAR(*result.metrics.front().reward_margin, 0, 1e-4);
  EXPECT_GT(*result.metrics.back().reward_margin, 0.1);
  EXPECT_EQ(*result.metrics.back().reward_accuracy, 1);
  EXPECT_LT(result.loss_after, result.loss_before);
}

struct Outcome {
  Llama model;
  std::string metrics;
};

Outcome finish(TestTraining& training) {
  Outcome outcome = {.model = load_tiny(at::kBFloat16), .metrics = ""};
  for (const MetricsRow& row : training.run(outcome.model, random_pairs(6)).metrics) {
    outcome.metrics += dump_json(to_json(row)) + "\n";
  }
  return outcome;
}

// Runs until the state of `step` is there, then asks to stop as a signal would.
void stop_after(const TemporaryFolder& work, int64_t step) {
  TestTraining training(work.path());
  configure(training);
  const fs::path state = work.path() / fmt::format("state-{:08}", step);
  std::atomic<bool> is_over = false;
  std::thread watcher([&] {
    while (!is_over && !fs::exists(state)) std::this_thread::yield();
    training.stop.request(SIGTERM);
  });
  (void)exit_code_of([&] { (void)finish(training); });
  is_over = true;
  watcher.join();
  EXPECT_TRUE(fs::exists(work.path() / "reference.json"));
}

TEST(Preference, ResumedEqualsUninterrupted) {
  const TemporaryFolder whole;
  TestTraining undisturbed(whole.path());
  configure(undisturbed);
  const Outcome expected = finish(undisturbed);
  for (const int64_t step : {1, 2, 4}) {
    const TemporaryFolder work;
    stop_after(work, step);
    TestTraining resumed(work.path());
    configure(resumed);
    const Outcome outcome = finish(resumed);
    EXPECT_TRUE(same_weights(outcome.model, expected.model)) << "stopped after step " << step;
    EXPECT_EQ(outcome.metrics, expected.metrics) << "stopped after step " << step;
  }
}

// The `n`-th allocation of the training fails; 0: none.
TrainResult train_with_shortage(int64_t n, bool& has_failed) {
  CountingAllocator memory;
  const TemporaryFolder work;
  TestTraining training(work.path());
  configure(training);
  training.options.learning_rate = 1e-3;
  training.options.epochs = 1;
  training.options.sequence_length = 80;  // several pairs
  training.options.tokens_per_step = 80;
  TrainResult result;
  {
    Llama model = load_tiny();
    if (n > 0) memory.fail_at(n);
    result = training.run(model, random_pairs(6));
    has_failed = memory.has_failed();
  }
  return result;
}

// Micro-batches are cut between pairs, the reference's and the mean's too; rewards count once.
TEST(Preference, OutOfMemoryKeepsPairsTogetherAndLossesAndRewards) {
  bool has_failed = false;
  const TrainResult whole = train_with_shortage(0, has_failed);
  int64_t failures = 0;
  for (int64_t n = 20;; n += 20) {
    const TrainResult result = train_with_shortage(n, has_failed);
    if (!has_failed) break;
    ++failures;
    ASSERT_EQ(result.metrics.size(), whole.metrics.size());
    for (size_t step = 0; step < whole.metrics.size(); ++step) {
      const MetricsRow &cut = result.metrics[step], &usual = whole.metrics[step];
      EXPECT_NEAR(cut.loss / usual.loss, 1, 1e-5) << "allocation " << n;
      EXPECT_NEAR(*cut.reward_margin, *usual.reward_margin, 1e-4) << "allocation " << n;
    }
    EXPECT_NEAR(result.loss_after / whole.loss_after, 1, 1e-5) << "allocation " << n;
  }
  EXPECT_GT(failures, 10);
}

TEST(Preference, APairIsNeverCutApart) {
  const LlamaConfig config = load_tiny().config;
  EXPECT_EQ(exit_code_of([&] { (void)rows_of_pairs(random_pairs(3), config, 16); }, "pair-"),
            ExitCode::kBadData);
  EXPECT_EQ(exit_code_of([&] { (void)rows_of_pairs({}, config, 16); }, "no preference pair"),
            ExitCode::kBadData);
}

}  // namespace
}  // namespace thoughtrank
