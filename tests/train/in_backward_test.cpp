// AdamW inside the backward pass: what it shares with the plain order of things, and its own rules.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "model/golden.h"
#include "support/temporary_folder.h"
#include "train/stepper.h"
#include "train/training_room.h"

namespace thoughtrank {
namespace {

void configure(TrainOptions& options) {
  options.optimizer_in_backward = true;
  options.clip = 0;
  options.tokens_per_step = 60;
}

struct Case {
  const char* model;
  Dtype dtype;
  OptimizerState tier;
};

class InBackward : public testing::TestWithParam<Case> {};

// Of the tiers that round nothing at random.
TEST_P(InBackward, WeightsAreThoseOfTheUsualOrderBitForBit) {
  const auto load = [] { return load_tiny(at::kFloat, GetParam().model); };
  Llama usual = load(), ours = load();
  TrainResult results[2];
  for (const bool in_backward : {false, true}) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    configure(training.options);
    training.options.dtype = GetParam().dtype;
    training.options.optimizer_state = GetParam().tier;
    training.options.optimizer_in_backward = in_backward;
    training.options.tokens_per_step = 1;
    results[in_backward ? 1 : 0] = training.run(in_backward ? ours : usual, random_rows(5));
  }
  EXPECT_TRUE(same_weights(usual, ours));
  for (size_t step = 0; step < 5; ++step) {
    EXPECT_EQ(results[0].metrics[step].loss, results[1].metrics[step].loss);
    EXPECT_NEAR(results[0].metrics[step].grad_norm / results[1].metrics[step].grad_norm, 1, 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tiny,
    InBackward,
    testing::Values(Case{"tiny-llama", Dtype::float32, OptimizerState::float32},
                    Case{"tiny-llama3", Dtype::float32, OptimizerState::float32},
                    Case{"tiny-llama", Dtype::bfloat16, OptimizerState::float32_master},
                    Case{"tiny-llama3", Dtype::bfloat16, OptimizerState::float32_master}));

class InBackwardTier : public testing::TestWithParam<OptimizerState> {};

TEST_P(InBackwardTier, Bfloat16WeightsLearnAndRepeat) {
  Llama first = load_tiny(), second = load_tiny();
  TrainResult result;
  for (Llama* model : {&first, &second}) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    configure(training.options);
    training.options.dtype = Dtype::bfloat16;
    training.options.optimizer_state = GetParam();
    training.options.epochs = 3;
    result = training.run(*model, random_rows(6));
  }
  EXPECT_TRUE(same_weights(first, second));
  EXPECT_LT(result.loss_after, result.loss_before);
  for (const auto& [name, weight] : first.named_parameters()) {
    EXPECT_FALSE(weight.grad().defined()) << name;
  }
}

TEST_P(InBackwardTier, AResumedTrainingHasTheSameBits) {
  Llama whole = load_tiny(), resumed = load_tiny();
  const TemporaryFolder work;
  for (Llama* model : {&whole, &resumed}) {  // the second begins at the state of step 4
    TestTraining training(work.path());
    configure(training.options);
    training.options.dtype = Dtype::bfloat16;
    training.options.optimizer_state = GetParam();
    training.options.tokens_per_step = 1;
    training.options.state_every = 4;
    (void)training.run(*model, random_rows(6));
    EXPECT_TRUE(std::filesystem::exists(work.path() / "state-00000004"));
  }
  EXPECT_TRUE(same_weights(whole, resumed));
}

INSTANTIATE_TEST_SUITE_P(Tiers,
                         InBackwardTier,
                         testing::Values(OptimizerState::float32_master,
                                         OptimizerState::float32,
                                         OptimizerState::bfloat16,
                                         OptimizerState::int8));

TEST(InBackwardRules, ASliceOfTheArenaHasItsOwnScalesAndMaster) {
  Llama model = load_tiny();
  const WeightArena bytes(model, at::kBFloat16, at::kByte, {.has_gradients = false});
  const AdamWArena& whole = bytes.buffers();
  whole.second_scale.copy_(at::arange(whole.second_scale.numel()));
  for (const auto& [name, weight] : model.named_parameters()) {
    const at::Tensor scales = bytes.slice(weight).second_scale;
    EXPECT_EQ(scales[0].item<int64_t>() * kMomentBlock, bytes.offset(weight)) << name;
    EXPECT_EQ(scales.numel() * kMomentBlock, padded_elements(weight)) << name;
  }
  Llama other = load_tiny();
  const WeightArena floats(other, at::kBFloat16, at::kFloat, {.has_master = true});
  for (const auto& [name, weight] : other.named_parameters()) {
    const at::Tensor master = floats.slice(weight).master;
    EXPECT_TRUE(at::equal(master.to(at::kBFloat16), weight.detach().view(-1))) << name;
  }
}

TEST(InBackwardRules, WhatItCannotDoIsRefused) {
  const auto code = [](auto change, const char* text) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    configure(training.options);
    change(training.options);
    Llama model = load_tiny();
    return exit_code_of([&] { (void)training.run(model, random_rows(2)); }, text);
  };
  EXPECT_EQ(code([](TrainOptions& o) { o.clip = 1; }, "train.clip: 0"), ExitCode::kConfig);
  EXPECT_EQ(code([](TrainOptions& o) { o.tokens_per_step = 65; }, "nothing accumulates"),
            ExitCode::kConfig);
  EXPECT_EQ(code([](TrainOptions& o) { o.objective = Objective::dpo_nll; }, "objective sft"),
            ExitCode::kConfig);
  EXPECT_EQ(code([](TrainOptions& o) { o.method = TrainMethod::lora; }, "method lora"),
            ExitCode::kConfig);
  EXPECT_EQ(code(
                [](TrainOptions& o) {
                  o.optimizer_in_backward = false;
                  o.clip_per_tensor = 1;
                },
                "clip_per_tensor"),
            ExitCode::kConfig);
  EXPECT_EQ(code([](TrainOptions&) {}, ""), ExitCode::kDone);
}

TEST(InBackwardRules, AStepNeverReachesOverOneSequence) {
  TestTraining training({});
  configure(training.options);
  const SystemClock clock;
  const TrainSetup setup = {.options = training.options,
                            .work_folder = {},
                            .identity = "",
                            .clock = clock,
                            .stop = training.stop};
  const std::vector<TrainingRow> rows = random_rows(9);
  size_t planned = 0;
  for (const StepPlan& step : plan_steps(rows, setup)) {
    ASSERT_EQ(step.sequences.size(), 1U);
    planned += step.sequences[0].size();
    EXPECT_LE(step.tokens, training.options.sequence_length);
  }
  EXPECT_EQ(planned, rows.size());
}

// A gradient of each tensor at most this long.
TEST(InBackwardRules, ClipsEachTensorByItself) {
  const auto moved = [](double clip) {
    Llama model = load_tiny();
    const at::Tensor before = model.layers[0].q_proj.clone();
    const TemporaryFolder work;
    TestTraining training(work.path());
    configure(training.options);
    training.options.clip_per_tensor = clip;
    training.options.eps = 1;  // so that a step is about as long as its gradient
    (void)training.run(model, {random_row(1, 3, 40)});
    return (model.layers[0].q_proj - before).norm().item<double>();
  };
  const double free = moved(0);
  EXPECT_EQ(moved(1e6), free);
  EXPECT_LT(moved(1e-6), 1e-3 * free);
}

// Column 3 of the first layer's input is 0 but for token 7, where it is huge and meets weights of
// 0: the loss is a number, a gradient overflows.
Llama overflowing_model() {
  Llama model = load_tiny(at::kFloat, "tiny-llama3");
  model.embed_tokens.select(1, 3).zero_();
  model.embed_tokens[7][3] = 1;
  model.layers[0].input_layernorm[3] = 1e30F;
  for (const at::Tensor& weight :
       {model.layers[0].q_proj, model.layers[0].k_proj, model.layers[0].v_proj}) {
    weight.select(1, 3).zero_();
  }
  return model;
}

// Rows of other tokens each, so that what one changes in the embedding no other reads.
std::vector<TrainingRow> rows_around_a_bad_one() {
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < 4; ++n) {
    rows.push_back(random_row(static_cast<uint64_t>(n), 3, 12));
    for (int64_t& id : rows.back().input_ids) id = 40 + 60 * n + id % 60;
  }
  rows[2].input_ids[1] = 7;
  return rows;
}

TEST(InBackwardRules, AGradientThatIsNotFiniteIsUndoneAndTheStepLeftOut) {
  Llama models[2] = {overflowing_model(), overflowing_model()};
  TrainResult results[2];
  for (const bool in_backward : {false, true}) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    configure(training.options);
    training.options.optimizer_in_backward = in_backward;
    training.options.tokens_per_step = 1;
    training.options.shuffle = false;
    training.options.state_every = 100;
    const int n = in_backward ? 1 : 0;
    results[n] = training.run(models[n], rows_around_a_bad_one());
    EXPECT_TRUE(std::filesystem::exists(work.path() / "quarantine.jsonl"));
  }
  ASSERT_EQ(results[1].metrics.size(), 4U);
  for (size_t step = 0; step < 4; ++step) {
    EXPECT_EQ(results[1].metrics[step].skipped, step == 2) << step;
    EXPECT_EQ(results[1].metrics[step].loss, results[0].metrics[step].loss) << step;
  }
  EXPECT_TRUE(same_weights(models[0], models[1]));
}

// The loss is known before the first update.
TEST(InBackwardRules, ASpikeOfTheLossLeavesTheWeightsAlone) {
  const TemporaryFolder work;
  TestTraining training(work.path());
  configure(training.options);
  training.options.learning_rate = 1e-3;
  const SystemClock clock;
  const TrainSetup setup = {.options = training.options,
                            .work_folder = work.path(),
                            .identity = "",
                            .clock = clock,
                            .stop = training.stop};
  const std::vector<TrainingRow> rows = {random_row(1, 3, 40)};
  const StepPlan step = plan_steps(rows, setup).front();
  Llama model = load_tiny(), start = load_tiny();
  Stepper stepper(model, setup);
  MetricsRow usual;
  usual.loss = usual.grad_norm = 0.5;
  const std::vector<MetricsRow> before(20, usual);
  const Measured measured = stepper.take(step, {.learning_rate = 1e-3, .step = 0}, before);
  EXPECT_GT(measured.loss, 1);
  EXPECT_TRUE(measured.fault.starts_with("loss ")) << measured.fault;
  EXPECT_FALSE(stepper.must_restore());
  EXPECT_TRUE(same_weights(model, start));
  EXPECT_EQ(stepper.take(step, {.learning_rate = 1e-3, .step = 0}).fault, "");
  EXPECT_FALSE(same_weights(model, start));
}

}  // namespace
}  // namespace thoughtrank
