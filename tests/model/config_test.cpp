#include "thoughtrank/model/config.h"

#include "model/published_configs.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {
namespace {

LlamaConfig read_text(const std::string& config, const std::string& generation = "") {
  const TemporaryFolder folder;
  folder.write("config.json", config);
  if (!generation.empty()) folder.write("generation_config.json", generation);
  return read_llama_config(folder.path());
}

TEST(Config, Llama2HasNoThetaInItsFile) {
  const LlamaConfig config = read_text(kLlama2);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_FALSE(config.rope.is_llama3);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.num_key_value_heads, 32);
  EXPECT_FALSE(config.tie_word_embeddings);
}

TEST(Config, Llama3) {
  const LlamaConfig config = read_text(kLlama3);
  EXPECT_EQ(config.rope.theta, 500000);
  EXPECT_FALSE(config.rope.is_llama3);
  EXPECT_EQ(config.num_key_value_heads, 8);
  EXPECT_EQ(config.bos_id, 128000);
}

TEST(Config, Llama32ScalesItsRotation) {
  const LlamaConfig config = read_text(kLlama32, R"({"eos_token_id":[128001,128008,128009]})");
  EXPECT_TRUE(config.rope.is_llama3);
  EXPECT_EQ(config.rope.factor, 32);
  EXPECT_EQ(config.rope.low_freq_factor, 1);
  EXPECT_EQ(config.rope.high_freq_factor, 4);
  EXPECT_EQ(config.rope.original_max_position_embeddings, 8192);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.num_hidden_layers, 28);
  EXPECT_EQ(config.eos_ids, (std::vector<int64_t>{128001, 128008, 128009}));
}

TEST(Config, SmolLM2AndTinyLlama) {
  EXPECT_EQ(read_text(kSmolLM2).rope.theta, 100000);
  EXPECT_TRUE(read_text(kSmolLM2).tie_word_embeddings);
  EXPECT_EQ(read_text(kTinyLlama).num_key_value_heads, 4);
  EXPECT_EQ(read_text(kTinyLlama).rms_norm_eps, 1e-5);
}

TEST(Config, NewerKeysMeanTheSame) {
  Json config = parse_json(kLlama32, "test");
  config["rope_parameters"] = config["rope_scaling"];
  config["rope_parameters"]["rope_theta"] = config["rope_theta"];
  for (const char* key : {"rope_scaling", "rope_theta"}) config.erase(key);
  const LlamaConfig newer = read_text(config.dump()), older = read_text(kLlama32);
  EXPECT_EQ(newer.rope.theta, older.rope.theta);
  EXPECT_EQ(newer.rope.factor, older.rope.factor);
}

TEST(Config, EosIdsOfBothFilesAreJoined) {
  EXPECT_EQ(read_text(kSmolLM2, R"({"eos_token_id":7})").eos_ids, (std::vector<int64_t>{2, 7}));
  EXPECT_EQ(read_text(kSmolLM2, R"({"eos_token_id":null})").eos_ids, (std::vector<int64_t>{2}));
}

TEST(Config, MissingFileIsMissingInput) {
  const TemporaryFolder folder;
  expect_error(
      [&] { (void)read_llama_config(folder.path()); }, ExitCode::kMissingInput, "config.json");
}

// One change to the config of Llama 3.2; "-" takes the key away.
struct Change {
  const char* key;  // "rope_scaling.factor"
  const char* value;
  ExitCode code;
};

class SpoiltConfig : public testing::TestWithParam<Change> {};

TEST_P(SpoiltConfig, IsRefusedByName) {
  Json config = parse_json(kLlama32, "test");
  const std::string path = GetParam().key;
  const size_t dot = path.find('.');
  Json& object = dot == std::string::npos ? config : config[path.substr(0, dot)];
  const std::string key = dot == std::string::npos ? path : path.substr(dot + 1);
  if (std::string(GetParam().value) == "-") {
    object.erase(key);
  } else {
    object[key] = parse_json(GetParam().value, "test");
  }
  expect_error([&] { (void)read_text(config.dump()); }, GetParam().code, key);
}

// Shown when a case fails.
void PrintTo(const Change& change, std::ostream* out) {
  *out << change.key << " = " << change.value;
}

constexpr ExitCode kBad = ExitCode::kBadData, kUnsupported = ExitCode::kConfig;

INSTANTIATE_TEST_SUITE_P(Sizes,
                         SpoiltConfig,
                         testing::Values(Change{"hidden_size", "0", kBad},
                                         Change{"hidden_size", "-1", kBad},
                                         Change{"hidden_size", "3072.0", kBad},
                                         Change{"hidden_size", "18446744073709551615", kBad},
                                         Change{"intermediate_size", "\"8192\"", kBad},
                                         Change{"num_hidden_layers", "1000000", kBad},
                                         Change{"num_attention_heads", "0", kBad},
                                         Change{"num_key_value_heads", "7", kBad},
                                         Change{"head_dim", "127", kBad},
                                         Change{"head_dim", "0", kBad},
                                         Change{"vocab_size", "9999999999", kBad},
                                         Change{"vocab_size", "null", kBad},
                                         Change{"rms_norm_eps", "0", kBad},
                                         Change{"rms_norm_eps", "1e300", kBad},
                                         Change{"tie_word_embeddings", "1", kBad},
                                         Change{"eos_token_id", "128256", kBad},
                                         Change{"eos_token_id", "[-1]", kBad},
                                         Change{"bos_token_id", "\"<s>\"", kBad}));

INSTANTIATE_TEST_SUITE_P(
    Mathematics,
    SpoiltConfig,
    testing::Values(Change{"model_type", "\"qwen2\"", kUnsupported},
                    Change{"model_type", "-", kBad},
                    Change{"architectures", "[\"LlamaForSequenceClassification\"]", kUnsupported},
                    Change{"hidden_act", "\"gelu\"", kUnsupported},
                    Change{"attention_bias", "true", kUnsupported},
                    Change{"mlp_bias", "true", kUnsupported},
                    Change{"partial_rotary_factor", "0.5", kUnsupported},
                    Change{"sliding_window", "4096", kUnsupported},
                    Change{"quantization_config", "{\"bits\":4}", kUnsupported},
                    Change{"rope_interleaved", "true", kUnsupported},
                    Change{"rope_theta", "0", kBad},
                    Change{"rope_theta", "\"1e4\"", kBad},
                    Change{"rope_scaling", "[]", kBad},
                    Change{"rope_scaling", "{\"type\":\"linear\",\"factor\":2}", kUnsupported},
                    Change{"rope_scaling.rope_type", "\"yarn\"", kUnsupported},
                    Change{"rope_scaling.rope_type", "-", kBad},
                    Change{"rope_scaling.type", "\"default\"", kBad},
                    Change{"rope_scaling.factor", "-", kBad},
                    Change{"rope_scaling.factor", "0.5", kBad},
                    Change{"rope_scaling.high_freq_factor", "1", kBad},
                    Change{"rope_scaling.beta_fast", "32", kUnsupported},
                    Change{"rope_scaling.rope_theta", "10000", kBad}));

// A minimal file is transformers' own default: Llama-7b.
TEST(Config, MissingKeysHaveTheDefaultsOfTransformers) {
  const LlamaConfig config = read_text(R"({"model_type":"llama"})");
  EXPECT_EQ(config.hidden_size, 4096);
  EXPECT_EQ(config.intermediate_size, 11008);
  EXPECT_EQ(config.num_hidden_layers, 32);
  EXPECT_EQ(config.num_attention_heads, 32);
  EXPECT_EQ(config.num_key_value_heads, 32);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.vocab_size, 32000);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.bos_id, 1);
  EXPECT_EQ(config.eos_ids, (std::vector<int64_t>{2}));
}

TEST(Config, HeadsWithoutGroupsAreMissingOrNull) {
  Json config = parse_json(kLlama2, "test");
  config["num_key_value_heads"] = nullptr;
  EXPECT_EQ(read_text(config.dump()).num_key_value_heads, 32);
  config.erase("num_key_value_heads");
  EXPECT_EQ(read_text(config.dump()).num_key_value_heads, 32);
}

TEST(Config, TheElementTypeIsThatOfTheWeights) {
  Json config = parse_json(kLlama32, "test");
  for (const char* word : {"null", "\"auto\"", "\"float32\""}) {
    config["torch_dtype"] = parse_json(word, "test");
    EXPECT_EQ(read_text(config.dump()).hidden_size, 3072);
  }
  config.erase("torch_dtype");
  EXPECT_EQ(read_text(config.dump()).hidden_size, 3072);
}

TEST(Config, EndTokens) {
  Json config = parse_json(kSmolLM2, "test");
  config["eos_token_id"] = nullptr;
  EXPECT_TRUE(read_text(config.dump()).eos_ids.empty());
  EXPECT_EQ(read_text(config.dump(), R"({"eos_token_id":7})").eos_ids, (std::vector<int64_t>{7}));
  config.erase("eos_token_id");  // then only what generates says more
  EXPECT_EQ(read_text(config.dump(), R"({"eos_token_id":[7]})").eos_ids, (std::vector<int64_t>{7}));
  config["bos_token_id"] = nullptr;
  EXPECT_FALSE(read_text(config.dump()).bos_id);
}

TEST(Config, RotationsOfEachVersionOfTransformers) {
  const auto rope = [](const std::string& changes) {
    Json config = parse_json(kLlama32, "test");
    for (const char* key : {"rope_scaling", "rope_theta"}) config.erase(key);
    config.update(parse_json(changes, "test"));
    return read_text(config.dump()).rope;
  };
  const std::string factors = R"("factor":8,"low_freq_factor":1,"high_freq_factor":4)";
  EXPECT_EQ(rope(R"({"rope_parameters":{"rope_type":"default"}})").theta, 10000);
  EXPECT_EQ(rope(R"({"rope_parameters":{"rope_theta":5e5}})").theta, 500000);
  EXPECT_EQ(rope(R"({"rope_parameters":{}})").theta, 10000);
  EXPECT_EQ(rope(R"({"rope_scaling":{"type":"default"},"rope_theta":7000})").theta, 7000);
  EXPECT_EQ(rope(R"({"rope_parameters":{"rope_theta":5e5,"partial_rotary_factor":1.0}})").theta,
            500000);
  const RopeConfig scaled = rope("{\"rope_scaling\":{\"type\":\"llama3\"," + factors + "}}");
  EXPECT_TRUE(scaled.is_llama3);
  EXPECT_EQ(scaled.original_max_position_embeddings, 131072);  // max_position_embeddings
  EXPECT_EQ(
      rope("{\"original_max_position_embeddings\":8192,\"rope_scaling\":{\"type\":\"llama3\"," +
           factors + "}}")
          .original_max_position_embeddings,
      8192);
}

TEST(Config, QuantizedWeightsAreNamed) {
  Json config = parse_json(kLlama32, "test");
  config["quantization_config"] = {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}};
  expect_error([&] { (void)read_text(config.dump()); },
               ExitCode::kConfig,
               {"quantization_config", "bitsandbytes", "quantized"});
}

TEST(Config, AFileThatIsNoJsonIsNamed) {
  expect_error(
      [] { (void)read_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"); },
      ExitCode::kBadData,
      {"config.json", "Git LFS", "git -C"});
  expect_error([] { (void)read_text("<!DOCTYPE html><html><head><title>Login"); },
               ExitCode::kBadData,
               {"config.json", "HTML"});
}

TEST(SpoiltConfig, HarmlessKeysAreAccepted) {
  Json config = parse_json(kLlama32, "test");
  config["use_cache"] = true;
  config["my_note"] = "hello";
  config["sliding_window"] = nullptr;
  config["partial_rotary_factor"] = 1.0;
  config["pretraining_tp"] = 2;
  config["hidden_act"] = "swish";
  config["architectures"] = nullptr;
  EXPECT_EQ(read_text(config.dump()).hidden_size, 3072);
}

TEST(SpoiltConfig, BrokenTextIsRefused) {
  for (const std::string text : {"", "[]", "{", "null", "{\"a\":1,\"a\":2}"}) {
    expect_error([&] { (void)read_text(text); }, ExitCode::kBadData, "config.json");
  }
  const std::string deep(100'000, '[');
  expect_error([&] { (void)read_text(deep); }, ExitCode::kBadData, "config.json");
  expect_error([&] { (void)read_text(kSmolLM2, "{\"eos_token_id\":\"</s>\"}"); },
               ExitCode::kBadData,
               "generation_config.json");
}

}  // namespace
}  // namespace thoughtrank
