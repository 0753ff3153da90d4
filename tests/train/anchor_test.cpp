#include "thoughtrank/train/anchor.h"

#include "train/training_room.h"

namespace thoughtrank {
namespace {

// The tiny model with every weight moved, as a training would.
Llama moved_tiny(at::ScalarType dtype, double by) {
  Llama model = load_tiny(dtype);
  for (auto& [name, weight] : model.named_parameters()) weight.add_(by);
  return model;
}

void expect_weights(const Llama& found, const Llama& expected) {
  const auto left = found.named_parameters(), right = expected.named_parameters();
  for (size_t n = 0; n < left.size(); ++n) {
    EXPECT_TRUE(at::equal(left[n].second, right[n].second)) << left[n].first;
  }
}

at::Tensor all_weights(const Llama& model) {
  std::vector<at::Tensor> flat;
  for (const auto& [name, weight] : model.named_parameters()) {
    flat.push_back(weight.flatten().to(at::kFloat));
  }
  return at::cat(flat);
}

TEST(Anchor, IsTheMeanOfStartAndTrainedWeights) {
  Llama model = moved_tiny(at::kFloat, 0.25);
  const Llama start = load_tiny();
  const auto trained = all_weights(model), begun = all_weights(start);
  average_with_start(model, tiny_llama(), {.ema = 0.3, .seed = 1, .round = 1});
  EXPECT_TRUE(at::allclose(all_weights(model), 0.3 * begun + 0.7 * trained, 1e-6, 1e-7));
}

TEST(Anchor, ItsEndsAreTheTrainedAndTheStartWeights) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Llama trained = moved_tiny(dtype, 0.01), start = moved_tiny(dtype, 0.01);
    average_with_start(trained, tiny_llama(), {.ema = 0, .seed = 1, .round = 1});
    expect_weights(trained, moved_tiny(dtype, 0.01));
    average_with_start(start, tiny_llama(), {.ema = 1, .seed = 1, .round = 1});
    expect_weights(start, load_tiny(dtype));
  }
}

// Means between two neighbours in bfloat16 are kept on average: rounding to nearest would give
// every weight the start's value, and the training would be lost.
TEST(Anchor, BFloat16IsRoundedStochastically) {
  Llama model = load_tiny(at::kBFloat16);
  for (auto& [name, weight] : model.named_parameters()) weight.mul_(1 + 1.0 / 64);
  const at::Tensor start = all_weights(load_tiny(at::kBFloat16));
  const double moved = (all_weights(model) - start).abs().mean().item<double>();
  average_with_start(model, tiny_llama(), {.ema = 0.9, .seed = 1, .round = 1});
  const at::Tensor mean = all_weights(model);
  EXPECT_NEAR((mean - start).abs().mean().item<double>() / moved, 0.1, 0.01);
  EXPECT_GT(at::eq(mean, start).to(at::kFloat).mean().item<double>(), 0.5)
      << "a tenth of a step is too small for most weights to show";
}

TEST(Anchor, FollowsFromSeedAndRoundWhateverTheThreads) {
  const auto averaged = [](uint64_t seed, int64_t round, int threads) {
    at::set_num_threads(threads);
    Llama model = moved_tiny(at::kBFloat16, 0.01);
    average_with_start(model, tiny_llama(), {.ema = 0.4, .seed = seed, .round = round});
    at::set_num_threads(1);
    return all_weights(model);
  };
  const at::Tensor one = averaged(1, 1, 1);
  EXPECT_TRUE(at::equal(one, averaged(1, 1, 3)));
  EXPECT_FALSE(at::equal(one, averaged(2, 1, 1)));
  EXPECT_FALSE(at::equal(one, averaged(1, 2, 1)));
}

}  // namespace
}  // namespace thoughtrank
