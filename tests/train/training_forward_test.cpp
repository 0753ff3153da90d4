// The hand-written forward and backward passes against the plain model under autograd.
#include "train/training_forward.h"

#include <ATen/core/grad_mode.h>

#include "model/golden.h"
#include "thoughtrank/kernels/cross_entropy.h"
#include "train/batch.h"
#include "train/training_room.h"
#include "train/weight_arena.h"

namespace thoughtrank {
namespace {

struct Case {
  at::ScalarType dtype;
  const char* model;
  double hidden_tolerance, gradient_tolerance;  // of the largest value
};

class TrainingForward : public testing::TestWithParam<Case> {
 protected:
  std::vector<TrainingRow> rows_ = {
      random_row(1, 3, 40), random_row(2, 7, 21), random_row(3, 2, 64)};

  [[nodiscard]] static Llama load() { return load_tiny(GetParam().dtype, GetParam().model); }
  [[nodiscard]] Batch batch() const {
    return make_batch({&rows_[0], &rows_[1], &rows_[2]}, 0.01, at::kCPU);
  }
};

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return largest_difference(a.to(at::kDouble), b.to(at::kDouble)) /
         b.abs().max().to(at::kDouble).item<double>();
}

// The same loss through the plain forward pass and PyTorch's own cross-entropy, in float32.
at::Tensor plain_gradients(Llama& model, const Batch& batch) {
  const WeightArena arena(model, at::kFloat, at::kFloat);
  const at::Tensor hidden = forward_hidden(model, batch.tokens).index_select(0, batch.positions);
  const at::Tensor losses = at::cross_entropy_loss(
      at::linear(hidden, model.lm_head), batch.targets, {}, at::Reduction::None);
  (losses * batch.weights).sum().backward();
  return arena.buffers().gradients;
}

at::Tensor our_gradients(Llama& model, const Batch& batch, Checkpointing checkpointing) {
  const WeightArena arena(model, model.embed_tokens.scalar_type(), at::kFloat);
  batch_loss(model, batch, {.checkpointing = checkpointing}).backward();
  return arena.buffers().gradients;
}

TEST_P(TrainingForward, HiddenStatesEqualThePlainOnes) {
  const Llama model = load();
  Llama wide = load();
  (void)WeightArena(wide, at::kFloat, at::kFloat);
  const at::NoGradGuard no_grad;
  const at::Tensor hidden = training_hidden(model, batch().tokens, {});
  EXPECT_LT(relative_difference(hidden, forward_hidden(wide, batch().tokens)),
            GetParam().hidden_tolerance);
}

TEST_P(TrainingForward, GradientsEqualAutograds) {
  Llama ours = load(), plain = load();
  const at::Tensor found = our_gradients(ours, batch(), Checkpointing::none);
  const at::Tensor expected = plain_gradients(plain, batch());
  EXPECT_LT(relative_difference(found, expected), GetParam().gradient_tolerance);
  EXPECT_GT(expected.abs().max().item<double>(), 0);
}

TEST_P(TrainingForward, CheckpointingChangesNoBit) {
  Llama models[] = {load(), load(), load()};
  const at::Tensor none = our_gradients(models[0], batch(), Checkpointing::none);
  EXPECT_TRUE(at::equal(our_gradients(models[1], batch(), Checkpointing::selective), none));
  EXPECT_TRUE(at::equal(our_gradients(models[2], batch(), Checkpointing::full), none));
}

// Loss on the middle document only, between neighbours of these contents.
at::Tensor middle_gradients(Llama& model, uint64_t neighbours, at::Tensor& hidden) {
  TrainingRow before = random_row(neighbours, 3, 40), after = random_row(neighbours + 1, 3, 33);
  before.spans = after.spans = {};
  const TrainingRow middle = random_row(9, 4, 25);
  const Batch batch = make_batch({&before, &middle, &after}, 0.01, at::kCPU);
  {
    const at::NoGradGuard no_grad;
    hidden = training_hidden(model, batch.tokens, {}).narrow(0, 40, 25).clone();
  }
  return our_gradients(model, batch, Checkpointing::none);
}

TEST_P(TrainingForward, PackedDocumentsNeverSeeEachOtherNotByABit) {
  Llama first = load(), second = load();
  at::Tensor first_hidden, second_hidden;
  const at::Tensor gradients = middle_gradients(first, 100, first_hidden);
  EXPECT_TRUE(at::equal(middle_gradients(second, 200, second_hidden), gradients));
  EXPECT_TRUE(at::equal(first_hidden, second_hidden));
}

TEST_P(TrainingForward, PackedEqualsOneByOne) {
  Llama packed = load(), single = load();
  const at::Tensor together = our_gradients(packed, batch(), Checkpointing::none);
  const WeightArena arena(single, single.embed_tokens.scalar_type(), at::kFloat);
  for (const TrainingRow& row : rows_) {
    batch_loss(single, make_batch({&row}, 0.01, at::kCPU)).backward();
  }
  EXPECT_LT(relative_difference(arena.buffers().gradients, together),
            GetParam().gradient_tolerance);
}

TEST_P(TrainingForward, ChunkedLossEqualsWhole) {
  const Llama model = load();
  const at::NoGradGuard no_grad;
  const Batch rows = batch();
  const at::Tensor hidden = training_hidden(model, rows.tokens, {}).index_select(0, rows.positions);
  const auto loss = [&](int64_t chunk) {
    return linear_cross_entropy({.hidden = hidden,
                                 .lm_head = model.lm_head,
                                 .targets = rows.targets,
                                 .weights = rows.weights},
                                chunk)
        .item<double>();
  };
  EXPECT_NEAR(loss(7) / loss(1000), 1, 1e-6);
}

TEST_P(TrainingForward, ASecondBackwardPassFails) {
  Llama model = load();
  const WeightArena arena(model, GetParam().dtype, at::kFloat);
  const at::Tensor loss = batch_loss(model, batch());
  loss.backward({}, /*retain_graph=*/true);
  EXPECT_ANY_THROW(loss.backward());
}

INSTANTIATE_TEST_SUITE_P(Tiny,
                         TrainingForward,
                         testing::Values(Case{at::kFloat, "tiny-llama", 1e-5, 1e-5},
                                         Case{at::kFloat, "tiny-llama3", 1e-5, 1e-5},
                                         Case{at::kBFloat16, "tiny-llama", 3e-2, 3e-2},
                                         Case{at::kBFloat16, "tiny-llama3", 3e-2, 3e-2}));

}  // namespace
}  // namespace thoughtrank
