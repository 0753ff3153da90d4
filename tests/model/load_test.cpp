#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <limits>

#include "model/golden.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

// A copy of tiny-llama (tied) or tiny-llama3 (untied) whose weights a test may spoil.
class SpoiltModel {
 public:
  explicit SpoiltModel(const std::string& name) {
    const auto original = test_data(name);
    std::filesystem::copy_file(original / "config.json", folder_.path() / "config.json");
    const auto reader = SafetensorsReader::open_model(original);
    for (const auto& [tensor, info] : reader.tensors()) weights[tensor] = reader.read(tensor);
  }
  std::map<std::string, at::Tensor> weights;

  Llama load() {
    (void)write_model(folder_.path(), {weights.begin(), weights.end()});
    return load_llama(folder_.path(), at::kFloat, at::kCPU);
  }
  void expect_refused(const std::string& words) {
    expect_error([&] { (void)load(); }, ExitCode::kBadData, words);
  }

 private:
  TemporaryFolder folder_;
};

constexpr const char* kUpProj = "model.layers.1.mlp.up_proj.weight";

TEST(Load, NamesAreThoseOfTheFile) {
  for (const char* name : {"tiny-llama", "tiny-llama3"}) {
    const auto reader = SafetensorsReader::open_model(test_data(name));
    const auto parameters = Golden(name).load().named_parameters();
    EXPECT_EQ(parameters.size(), reader.tensors().size());
    for (const auto& [parameter, tensor] : parameters) {
      EXPECT_TRUE(at::equal(tensor, reader.read(parameter).to(at::kFloat))) << parameter;
      EXPECT_FALSE(tensor.requires_grad()) << parameter;
    }
    EXPECT_EQ(parameters.front().first, "model.embed_tokens.weight");
  }
}

TEST(Load, TiedHeadIsTheEmbedding) {
  const Llama model = Golden("tiny-llama").load();
  EXPECT_TRUE(model.lm_head.is_same(model.embed_tokens));
  EXPECT_FALSE(Golden("tiny-llama3").load().lm_head.is_same(model.embed_tokens));
}

TEST(Load, WeightsCanBeTrainedEvenWhenLoadedInInferenceMode) {
  const c10::InferenceMode inference;
  for (const auto& [name, tensor] : Golden("tiny-llama").load().named_parameters()) {
    EXPECT_FALSE(tensor.is_inference()) << name;
  }
}

TEST(Load, MissingWeightIsNamed) {
  SpoiltModel model("tiny-llama");
  model.weights.erase(kUpProj);
  model.expect_refused(std::string(kUpProj) + " is missing");
}

TEST(Load, MissingHeadIsNamed) {
  SpoiltModel model("tiny-llama3");
  model.weights.erase("lm_head.weight");
  model.expect_refused("lm_head.weight is missing");
}

// What wrappers of modules put into the names, with the command that takes it out.
TEST(Load, NamesOfWrappersAreTold) {
  const auto renamed = [](const auto& rename) {
    SpoiltModel model("tiny-llama");
    std::map<std::string, at::Tensor> weights;
    for (const auto& [name, tensor] : model.weights) weights[rename(name)] = tensor;
    model.weights = std::move(weights);
    return std::string(error_of([&] { (void)model.load(); }).what());
  };
  const auto expect_told = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect_told(renamed([](const std::string& name) { return "module." + name; }),
              "k.removeprefix('module.')");
  expect_told(renamed([](const std::string& name) { return "module._orig_mod." + name; }),
              "k.replace('_orig_mod.', '').removeprefix('module.')");
  expect_told(renamed([](const std::string& name) { return "base_model.model." + name; }),
              "'base_model.model.' before them");
  expect_told(renamed([](const std::string& name) { return name.substr(name.find('.') + 1); }),
              "'model.' + k");
  SpoiltModel adapter("tiny-llama");
  adapter.weights["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"] = at::ones({1});
  adapter.expect_refused("LoRA adapter");
}

TEST(Load, LeftOverWeightIsNamed) {
  SpoiltModel model("tiny-llama");
  model.weights["model.layers.2.mlp.up_proj.weight"] = model.weights[kUpProj];
  model.expect_refused("model.layers.2.mlp.up_proj.weight is in the weight files");
}

TEST(Load, BiasIsLeftOver) {
  SpoiltModel model("tiny-llama");
  model.weights["model.layers.0.self_attn.q_proj.bias"] = at::zeros({64});
  model.expect_refused("q_proj.bias");
}

TEST(Load, WrongShapeNamesBoth) {
  SpoiltModel model("tiny-llama");
  model.weights[kUpProj] = at::zeros({128, 63});
  model.expect_refused(std::string(kUpProj) + " is (128, 63), config.json says (128, 64)");
}

TEST(Load, IntegersAreNotWeights) {
  SpoiltModel model("tiny-llama");
  model.weights[kUpProj] = at::zeros({128, 64}, at::kInt);
  model.expect_refused("has dtype Int");
}

TEST(Load, ValuesThatAreNotFiniteAreCounted) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    SpoiltModel model("tiny-llama");
    at::Tensor& weight = model.weights[kUpProj];
    weight = weight.clone();
    weight[1].slice(0, 0, 3).fill_(bad);
    model.expect_refused(std::string(kUpProj) + " has 3 of 8192 values that are not finite");
  }
}

TEST(Load, FiniteValuesWhoseSumOverflowsAreFine) {
  SpoiltModel model("tiny-llama");
  model.weights[kUpProj] = at::full({128, 64}, 3e38);
  EXPECT_EQ(model.load().layers.size(), 2u);
}

TEST(Load, TiedHeadMayBeInTheFileWhenItIsEqual) {
  SpoiltModel model("tiny-llama");
  at::Tensor& head = model.weights["lm_head.weight"];
  head = model.weights["model.embed_tokens.weight"].clone();
  EXPECT_EQ(model.load().named_parameters().size(), 20u);
}

TEST(Load, TiedHeadThatDiffersIsRefused) {
  SpoiltModel model("tiny-llama");
  model.weights["lm_head.weight"] = model.weights["model.embed_tokens.weight"] + 1;
  model.expect_refused("lm_head.weight differs");
}

TEST(Load, RotaryBuffersOfOlderFilesAreIgnored) {
  SpoiltModel model("tiny-llama");
  model.weights["model.layers.1.self_attn.rotary_emb.inv_freq"] = at::ones({8});
  EXPECT_EQ(model.load().layers.size(), 2u);
  model.weights["model.layers.2.self_attn.rotary_emb.inv_freq"] = at::ones({8});
  SpoiltModel other("tiny-llama");
  other.weights = model.weights;
  other.expect_refused("model.layers.2.self_attn.rotary_emb.inv_freq");
}

TEST(Load, WeightsHashFollowsTheWeights) {
  const std::string tied = weights_sha256(test_data("tiny-llama"));
  EXPECT_EQ(tied.size(), 64u);
  EXPECT_EQ(tied, weights_sha256(test_data("tiny-llama")));
  EXPECT_NE(tied, weights_sha256(test_data("tiny-llama3")));
}

TEST(Load, PackingIsChecked) {
  const Llama model = Golden("tiny-llama").load();
  const at::Tensor ids = at::arange(4);
  const std::vector<std::vector<int64_t>> wrong = {{}, {0}, {0, 3}, {0, 2, 2, 4}, {1, 4}, {0, 5}};
  for (const auto& offsets : wrong) {
    expect_error(
        [&] {
          (void)forward_hidden(model, {ids, offsets});
        },
        ExitCode::kInternal,
        "packed tokens");
  }
}

}  // namespace
}  // namespace thoughtrank
