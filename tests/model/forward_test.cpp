#include <ATen/ATen.h>

#include "model/golden.h"

namespace thoughtrank {
namespace {

void require_gradients(const Llama& model) {
  for (auto& [name, weight] : model.named_parameters()) weight.set_requires_grad(true);
}

class Forward : public testing::TestWithParam<const char*> {
 protected:
  const Golden golden{GetParam()};
};

TEST_P(Forward, LogitsEqualTransformers) {
  const at::Tensor logits = forward_logits(golden.load(), golden.tokens());
  ASSERT_EQ(logits.scalar_type(), at::kFloat);
  EXPECT_LT(largest_difference(logits, golden["logits"]), tolerance::kFloat32Logits);
}

TEST_P(Forward, Bfloat16LogitsEqualTransformers) {
  const at::Tensor logits = forward_logits(golden.load(at::kBFloat16), golden.tokens());
  ASSERT_EQ(logits.scalar_type(), at::kBFloat16);
  EXPECT_LT(largest_difference(logits, golden["logits_bfloat16"]), tolerance::kBfloat16Logits);
}

TEST_P(Forward, LossAndEveryGradientEqualPyTorch) {
  const Llama model = golden.load();
  require_gradients(model);
  const at::Tensor loss = golden_loss(golden, forward_logits(model, golden.tokens()));
  EXPECT_NEAR(loss.item<double>(), golden["loss"].item<double>(), tolerance::kFloat32Loss);
  loss.backward();
  for (const auto& [name, weight] : model.named_parameters()) {
    ASSERT_TRUE(weight.grad().defined()) << name;
    EXPECT_LT(largest_difference(weight.grad(), golden["grad." + name]),
              tolerance::kFloat32Gradient)
        << name;
  }
}

TEST_P(Forward, RopeTableEqualsTransformers) {
  const RopeTable table = make_rope_table(golden.load().config, /*length=*/2048, at::kCPU);
  const at::Tensor positions = golden["rope.positions"];
  EXPECT_LT(largest_difference(table.cos.index_select(0, positions), golden["rope.cos"]),
            tolerance::kFloat32Rope);
  EXPECT_LT(largest_difference(table.sin.index_select(0, positions), golden["rope.sin"]),
            tolerance::kFloat32Rope);
}

TEST_P(Forward, PackedDocumentsEqualSeparateOnes) {
  const Llama model = golden.load();
  const PackedTokens packed = golden.tokens();
  const at::Tensor together = forward_logits(model, packed);
  for (size_t n = 1; n < packed.offsets.size(); ++n) {
    const auto document = [&](const at::Tensor& tensor) {
      return tensor.slice(/*dim=*/0, packed.offsets[n - 1], packed.offsets[n]);
    };
    const at::Tensor ids = document(packed.ids);
    const at::Tensor alone = forward_logits(model, {ids, {0, ids.size(0)}});
    EXPECT_LT(largest_difference(document(together), alone), tolerance::kFloat32Logits) << n;
  }
}

TEST_P(Forward, DocumentDoesNotSeeItsNeighbour) {
  const Llama model = golden.load();
  PackedTokens packed = golden.tokens();
  const int64_t boundary = packed.offsets[1];
  const at::Tensor before = forward_hidden(model, packed);
  packed.ids = packed.ids.clone();
  packed.ids.slice(/*dim=*/0, 0, boundary).add_(1).remainder_(model.config.vocab_size);
  const at::Tensor after = forward_hidden(model, packed);
  EXPECT_TRUE(at::equal(before.slice(0, boundary), after.slice(0, boundary)));
  EXPECT_FALSE(at::equal(before.slice(0, 0, boundary), after.slice(0, 0, boundary)));
}

TEST_P(Forward, TokensDoNotSeeTheFuture) {
  const Llama model = golden.load();
  PackedTokens packed = golden.tokens();
  const int64_t last = packed.ids.size(0) - 1;
  const at::Tensor before = forward_hidden(model, packed);
  packed.ids = packed.ids.clone();
  packed.ids[last] = (packed.ids[last] + 1).remainder(model.config.vocab_size);
  const at::Tensor after = forward_hidden(model, packed);
  EXPECT_TRUE(at::equal(before.slice(0, 0, last), after.slice(0, 0, last)));
  EXPECT_FALSE(at::equal(before[last], after[last]));
}

// The first document has ids below 100, the second one from 100 on: what the second one's loss
// changes is seen in the rows of the embedding.
TEST_P(Forward, NoGradientCrossesDocuments) {
  Llama model = golden.load();
  model.embed_tokens = model.embed_tokens.clone();  // untied: the head's gradient is dense
  model.embed_tokens.set_requires_grad(true);
  const at::Tensor ids = at::cat({at::arange(0, 20), at::arange(100, 130)});
  const at::Tensor hidden = forward_hidden(model, {ids, {0, 20, 50}});
  hidden.slice(/*dim=*/0, 20).square().sum().backward();
  const at::Tensor by_id = model.embed_tokens.grad().abs().sum(/*dim=*/1);  // (V)
  EXPECT_EQ(by_id.slice(0, 0, 100).max().item<double>(), 0);
  EXPECT_EQ(by_id.slice(0, 130).max().item<double>(), 0);
  EXPECT_GT(by_id.slice(0, 100, 130).min().item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(TinyModels,
                         Forward,
                         testing::Values("tiny-llama", "tiny-llama3"),
                         [](const auto& name) {
                           return std::string(name.param) == "tiny-llama" ? "Tied" : "Llama3";
                         });

}  // namespace
}  // namespace thoughtrank
