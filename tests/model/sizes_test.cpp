#include "thoughtrank/model/sizes.h"

#include <c10/util/accumulate.h>

#include "model/golden.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {
namespace {

LlamaConfig smollm2_135m() {
  LlamaConfig config;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_hidden_layers = 30;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.vocab_size = 49152;
  config.tie_word_embeddings = true;
  return config;
}

// tiny-llama has a tied head, tiny-llama3 one of its own.
TEST(Sizes, ParametersAreThoseInTheFiles) {
  for (const char* name : {"tiny-llama", "tiny-llama3"}) {
    ParameterCounts found;
    const auto reader = SafetensorsReader::open_model(test_data(name));
    for (const auto& [tensor, info] : reader.tensors()) {
      const int64_t elements = c10::multiply_integers(info.shape);
      found.all += elements;
      const bool is_of_layer = tensor.find(".layers.0.") != std::string::npos;
      if (is_of_layer) found.layer += elements;
      if (is_of_layer && info.shape.size() == 2) found.layer_matrices += elements;
      if (tensor == "model.embed_tokens.weight") found.vocabulary = elements;
      if (tensor == "model.embed_tokens.weight" || tensor == "lm_head.weight") ++found.heads;
    }
    const ParameterCounts counts = parameter_counts(read_llama_config(test_data(name)));
    EXPECT_EQ(counts.layer_matrices, found.layer_matrices) << name;
    EXPECT_EQ(counts.layer, found.layer) << name;
    EXPECT_EQ(counts.vocabulary, found.vocabulary) << name;
    EXPECT_EQ(counts.heads, found.heads) << name;
    EXPECT_EQ(counts.all, found.all) << name;
  }
}

TEST(Sizes, ParametersMatchThePublishedModel) {
  LlamaConfig config = smollm2_135m();
  EXPECT_EQ(parameter_count(config), 134'515'008);
  config.tie_word_embeddings = false;
  EXPECT_EQ(parameter_count(config), 134'515'008 + 49152 * 576);
}

// The outputs of k_proj and v_proj of all layers.
TEST(Sizes, KeysAndValuesOfATokenAreTheProjectionsOutputs) {
  for (const char* name : {"tiny-llama", "tiny-llama3"}) {
    int64_t outputs = 0;
    const auto reader = SafetensorsReader::open_model(test_data(name));
    for (const auto& [tensor, info] : reader.tensors()) {
      const bool is_cached = tensor.ends_with("k_proj.weight") || tensor.ends_with("v_proj.weight");
      if (is_cached) outputs += info.shape.at(0);
    }
    const LlamaConfig config = read_llama_config(test_data(name));
    EXPECT_EQ(kv_elements_per_token(config), outputs) << name;
    EXPECT_EQ(kv_bytes_per_token(config, Dtype::bfloat16), 2 * outputs) << name;
    EXPECT_EQ(kv_bytes_per_token(config, Dtype::float32), 4 * outputs) << name;
  }
}

}  // namespace
}  // namespace thoughtrank
