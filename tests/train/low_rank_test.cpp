// LoRA: what is trained, what stays, and what the adapter's files say.
#include "train/low_rank.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <csignal>
#include <thread>

#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"
#include "train/batch.h"
#include "train/training_room.h"
#include "train/weight_arena.h"

namespace thoughtrank {
namespace {

constexpr double kScale = 2;  // alpha / rank

TrainOptions lora_options() {
  TrainOptions options = test_options();
  options.method = TrainMethod::lora;
  options.lora = {.rank = 4, .alpha = 8, .targets = "all-linear"};
  options.state_every = 1;
  return options;
}

at::Tensor loss_of(const Llama& model) {
  const std::vector<TrainingRow> rows = random_rows(3);
  const Batch batch = make_batch({&rows[0], &rows[1], &rows[2]}, 0.02, at::kCPU);
  return batch_loss(model, batch, {.is_plain = true});
}

TEST(LowRank, StartsAsTheModelAndHasTheGradientsOfThePaper) {
  Llama model = load_tiny(), full = load_tiny();
  LowRankAdapters adapters(model, lora_options().lora, /*seed=*/1);
  WeightArena arena(adapters.parameters(), at::kFloat, at::kFloat);
  WeightArena full_arena(full, at::kFloat, at::kFloat);
  adapters.merge();
  EXPECT_TRUE(at::equal(model.layers[0].q_proj, full.layers[0].q_proj));  // B is zero
  loss_of(model).backward();
  loss_of(full).backward();
  const NamedTensors parameters = adapters.parameters();
  const at::Tensor a = parameters[0].second, b = parameters[1].second;
  // ∂/∂B = scale · ∂/∂W · Aᵀ; A's gradient is zero while B is.
  const at::Tensor expected = at::matmul(full.layers[0].q_proj.grad(), a.t()) * kScale;
  EXPECT_LT((b.grad() - expected).abs().max().item<double>(), 1e-6);
  EXPECT_GT(expected.abs().max().item<double>(), 1e-4);
  EXPECT_EQ(a.grad().abs().max().item<double>(), 0);
}

TEST(LowRank, TrainsTheAdaptersOnlyAndEndsMerged) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const TemporaryFolder work;
    TestTraining training(work.path());
    training.options = lora_options();
    training.options.lora.targets = "q_proj, down_proj";
    const Llama start = load_tiny(dtype);
    Llama model = load_tiny(dtype);
    const TrainResult result = training.run(model, random_rows(6));
    EXPECT_LT(result.loss_after, result.loss_before);
    EXPECT_TRUE(at::equal(model.embed_tokens, start.embed_tokens));
    EXPECT_TRUE(at::equal(model.layers[0].k_proj, start.layers[0].k_proj));
    ASSERT_EQ(result.adapter.size(), 4 * model.layers.size());
    EXPECT_EQ(result.adapter[0].first,
              "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
    const at::Tensor change =
        at::matmul(result.adapter[1].second, result.adapter[0].second) * kScale;
    EXPECT_GT(change.abs().max().item<double>(), 0);
    const at::Tensor merged = (start.layers[0].q_proj.to(at::kFloat) + change).to(dtype);
    EXPECT_TRUE(at::equal(model.layers[0].q_proj, merged));
    EXPECT_FALSE(model.layers[0].q_proj.requires_grad());
  }
}

ExitCode stop_after(const TemporaryFolder& work, int64_t step) {
  TestTraining training(work.path());
  training.options = lora_options();
  std::atomic<bool> is_over = false;
  std::thread watcher([&] {
    const fs::path state = work.path() / fmt::format("state-{:08}", step);
    while (!is_over && !fs::exists(state)) std::this_thread::yield();
    training.stop.request(SIGTERM);
  });
  Llama model = load_tiny();
  const ExitCode code = exit_code_of([&] { (void)training.run(model, random_rows(6)); });
  is_over = true;
  watcher.join();
  return code;
}

TEST(LowRank, ResumedEqualsUninterrupted) {
  const TemporaryFolder whole;
  TestTraining training(whole.path());
  training.options = lora_options();
  Llama expected = load_tiny();
  const TrainResult undisturbed = training.run(expected, random_rows(6));
  for (const int64_t step : {1, 2}) {
    const TemporaryFolder work;
    (void)stop_after(work, step);
    TestTraining resumed(work.path());
    resumed.options = lora_options();
    Llama model = load_tiny();
    const TrainResult result = resumed.run(model, random_rows(6));
    EXPECT_TRUE(same_weights(model, expected)) << "stopped after step " << step;
    EXPECT_EQ(result.loss_after, undisturbed.loss_after);
  }
}

TEST(LowRank, TargetsAreLinearLayersOnly) {
  const auto code = [](const std::string& targets) {
    return exit_code_of([&] { (void)lora_targets({.targets = targets}); });
  };
  EXPECT_EQ(code("all-linear"), ExitCode::kDone);
  EXPECT_EQ(code("q_proj,v_proj"), ExitCode::kDone);
  for (const char* wrong : {"", "embed_tokens", "q_proj q_proj", "all-linear q_proj"}) {
    EXPECT_EQ(code(wrong), ExitCode::kConfig) << wrong;
  }
  const std::vector<std::string> some = {"q_proj", "v_proj"};
  EXPECT_EQ(adapter_config({.rank = 2, .alpha = 3, .targets = "v_proj q_proj"}, "base")
                .at("target_modules")
                .get<std::vector<std::string>>(),
            some);
}

}  // namespace
}  // namespace thoughtrank
