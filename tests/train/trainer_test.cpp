#include "thoughtrank/train/trainer.h"

#include <cmath>

#include "model/golden.h"
#include "support/temporary_folder.h"
#include "train/batch.h"
#include "train/training_room.h"
#include "train/weight_arena.h"

namespace thoughtrank {
namespace {

// Largest absolute differences to PyTorch in float32.
constexpr double kLossTolerance = 1e-5, kGradientTolerance = 5e-6;

// The golden documents as training rows, with loss on all behind the prompt.
std::vector<TrainingRow> golden_rows(const Golden& golden) {
  const std::vector<int64_t> ids = golden.list("ids"), offsets = golden.list("offsets");
  const std::vector<int64_t> prompts = golden.list("prompt_lengths");
  std::vector<TrainingRow> rows;
  for (size_t n = 0; n < prompts.size(); ++n) {
    TrainingRow row;
    row.prompt_id = "golden-" + std::to_string(n);
    row.input_ids.assign(ids.begin() + offsets[n], ids.begin() + offsets[n + 1]);
    row.spans = {{prompts[n], offsets[n + 1] - offsets[n], 1.0}};
    rows.push_back(row);
  }
  return rows;
}

class GoldenModels : public testing::TestWithParam<const char*> {};

TEST_P(GoldenModels, GradientsOfPackedRowsEqualPyTorch) {
  const Golden golden(GetParam());
  const std::vector<TrainingRow> rows = golden_rows(golden);
  Llama model = golden.load();
  WeightArena arena(model, at::kFloat, at::kFloat);
  const double tokens = (19 - 4) + (30 - 7);
  const at::Tensor loss = batch_loss(model, make_batch({&rows[0], &rows[1]}, 1 / tokens, at::kCPU));
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), golden["loss"].item<double>(), kLossTolerance);
  for (const auto& [name, weight] : model.named_parameters()) {
    EXPECT_LT(largest_difference(weight.grad(), golden["grad." + name]), kGradientTolerance)
        << name;
  }
}

TEST_P(GoldenModels, TenStepsEqualPyTorchAdamW) {
  const Golden golden(GetParam());
  const TemporaryFolder work;
  TestTraining training(work.path());
  training.options.learning_rate = 1e-3;
  training.options.weight_decay = 0.1;
  training.options.tokens_per_step = 1000;
  training.options.epochs = 10;
  Llama model = golden.load();
  const TrainResult result = training.run(model, golden_rows(golden));
  const at::Tensor losses = golden["train.losses"], norms = golden["train.grad_norms"];
  ASSERT_EQ(result.metrics.size(), 10U);
  for (int64_t step = 0; step < 10; ++step) {
    const MetricsRow& row = result.metrics[static_cast<size_t>(step)];
    EXPECT_NEAR(row.loss / losses[step].item<double>(), 1, 1e-4) << "step " << step;
    EXPECT_NEAR(row.grad_norm / norms[step].item<double>(), 1, 1e-4) << "step " << step;
  }
  EXPECT_NEAR(result.loss_before, result.metrics[0].loss, 1e-5);
  EXPECT_LT(result.loss_after, result.metrics[9].loss);
}

INSTANTIATE_TEST_SUITE_P(Tiny, GoldenModels, testing::Values("tiny-llama", "tiny-llama3"));

// Gradients of the same rows, packed as given.
at::Tensor gradients_of(const std::vector<Sequence>& sequences, double scale) {
  Llama model = load_tiny();
  WeightArena arena(model, at::kFloat, at::kFloat);
  for (const Sequence& sequence : sequences) {
    batch_loss(model, make_batch(sequence, scale, at::kCPU)).backward();
  }
  return arena.buffers().gradients.clone();
}

TEST(Trainer, PackedEqualsUnpackedAndOneTimesFourEqualsFourTimesOne) {
  const std::vector<TrainingRow> rows = random_rows(4);
  const Sequence all = {&rows[0], &rows[1], &rows[2], &rows[3]};
  const at::Tensor packed = gradients_of({all}, 0.02);
  const at::Tensor single = gradients_of({{&rows[0]}, {&rows[1]}, {&rows[2]}, {&rows[3]}}, 0.02);
  EXPECT_LT(largest_difference(packed, single) / single.abs().max().item<double>(), 1e-5);
}

TEST(Trainer, PackedDocumentsDoNotSeeEachOther) {
  const Llama model = load_tiny();
  const std::vector<TrainingRow> rows = random_rows(3);
  const Batch packed = make_batch({&rows[0], &rows[1], &rows[2]}, 1, at::kCPU);
  const Batch alone = make_batch({&rows[1]}, 1, at::kCPU);
  const Batch others = make_batch({&rows[2], &rows[1], &rows[0]}, 1, at::kCPU);
  const int64_t size = packed.tokens.offsets[2] - packed.tokens.offsets[1];
  const auto middle = [&](const Batch& batch) {
    return forward_hidden(model, batch.tokens).narrow(0, batch.tokens.offsets[1], size);
  };
  EXPECT_LT(largest_difference(middle(packed), forward_hidden(model, alone.tokens)), 1e-5);
  EXPECT_LT(largest_difference(middle(packed), middle(others)), 1e-5);
}

class Dtypes : public testing::TestWithParam<Dtype> {};

TEST_P(Dtypes, SameInputsGiveTheSameBytesAndALowerLoss) {
  Llama first = load_tiny(), second = load_tiny();
  TrainResult results[2];
  Llama* models[2] = {&first, &second};
  for (int n = 0; n < 2; ++n) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    training.options.dtype = GetParam();
    training.options.epochs = 3;
    results[n] = training.run(*models[n], random_rows(6));
  }
  EXPECT_TRUE(same_weights(first, second));
  EXPECT_EQ(results[0].loss_after, results[1].loss_after);
  EXPECT_LT(results[0].loss_after, results[0].loss_before);
  EXPECT_EQ(first.embed_tokens.scalar_type(), scalar_type(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Both, Dtypes, testing::Values(Dtype::float32, Dtype::bfloat16));

TEST(Trainer, LeavesNoGradientsAndKeepsTheTie) {
  const TemporaryFolder work;
  Llama model = load_tiny();
  (void)TestTraining(work.path()).run(model, random_rows(2));
  for (const auto& [name, weight] : model.named_parameters()) {
    EXPECT_FALSE(weight.requires_grad()) << name;
    EXPECT_FALSE(weight.grad().defined()) << name;
  }
  EXPECT_TRUE(model.lm_head.is_same(model.embed_tokens));
}

TEST(Trainer, SpanWeightsScaleTheLossOfTheirTokens) {
  TrainingRow whole = random_row(1, 4, 20), halves = whole, first = whole, second = whole;
  halves.spans = {{4, 10, 3.0}, {10, 20, 0.5}};
  first.spans = {{4, 10, 1.0}};
  second.spans = {{10, 20, 1.0}};
  const Llama model = load_tiny();
  const double a = mean_loss(model, {first}, 64), b = mean_loss(model, {second}, 64);
  EXPECT_NEAR(
      mean_loss(model, {halves}, 64), (3 * 6 * a + 0.5 * 10 * b) / (3 * 6 + 0.5 * 10), 1e-5);
  EXPECT_NEAR(mean_loss(model, {whole}, 64), (6 * a + 10 * b) / 16, 1e-5);
}

}  // namespace
}  // namespace thoughtrank
