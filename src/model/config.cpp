#include "thoughtrank/model/config.h"

#include <algorithm>
#include <set>

#include "model/config_rope.h"
#include "model/foreign_weights.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/missing.h"

namespace thoughtrank {

namespace {

constexpr uint64_t kMaxConfigBytes = 16'000'000;
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 24;

// What transformers' LlamaConfig takes where config.json lacks a key (the same in all its
// versions). LLaMA-1 conversions and tools that write only what differs leave keys out.
namespace defaults {
constexpr int64_t kHiddenSize = 4096, kIntermediateSize = 11008, kVocabSize = 32000;
constexpr int64_t kNumHiddenLayers = 32, kNumAttentionHeads = 32, kMaxPositionEmbeddings = 2048;
constexpr int64_t kBosId = 1, kEosId = 2;
constexpr double kRmsNormEps = 1e-6;
}  // namespace defaults

Json read_object(const fs::path& file) {
  Json object = parse_json(read_text_file(file, kMaxConfigBytes), file.string());
  if (!object.is_object()) fail(ExitCode::kBadData, "{}: expected a JSON object", file.string());
  return object;
}

// transformers goes by model_type alone; other architectures have other heads.
void require_llama(const Json& config, const std::string& where) {
  const std::string model_type = require_string(config, "model_type", where);
  const Json found = has_value(config, "architectures") ? config["architectures"] : Json::array();
  const bool is_causal = found == Json::array() || found == Json::array({"LlamaForCausalLM"}) ||
                         found == Json::array({"LLaMAForCausalLM"});  // of its first conversions
  if (model_type != "llama" || !is_causal) {
    fail(
        ExitCode::kConfig,
        "{}: model_type is '{}' and architectures {}, expected 'llama' and [\"LlamaForCausalLM\"]. "
        "Other architectures are not supported.",
        where,
        model_type,
        dump_json(found));
  }
  if (!config.contains("hidden_act")) return;
  const std::string activation = require_string(config, "hidden_act", where);
  if (activation != "silu" && activation != "swish") {  // two names of one function
    fail(ExitCode::kConfig, "{}: hidden_act is '{}', expected 'silu'", where, activation);
  }
}

void refuse_quantized(const Json& config, const std::string& where) {
  if (!has_value(config, "quantization_config")) return;
  const Json& quantization = config["quantization_config"];
  const std::string method =
      quantization.is_object() ? quantization.value("quant_method", Json("unnamed")).dump() : "?";
  fail(ExitCode::kConfig,
       "{}: 'quantization_config' says that the weights are quantized (quant_method {}), which is "
       "not supported. Take the model's folder with weights in bfloat16, float16 or float32",
       where,
       method);
}

// Keys that change the mathematics of a Llama, with the one value (besides null) that does not.
// (pretraining_tp is none of them: it cut the same products into parts.)
void refuse_other_mathematics(const Json& config, const std::string& where) {
  refuse_quantized(config, where);
  static const std::pair<const char*, Json> kNeutralValues[] = {
      {"attention_bias", false},
      {"mlp_bias", false},
      {"partial_rotary_factor", 1},
      {"rope_interleaved", false},
      {"use_sliding_window", false},
      {"sliding_window", nullptr},
      {"layer_types", nullptr},
      {"attn_logit_softcapping", nullptr},
      {"final_logit_softcapping", nullptr},
      {"query_pre_attn_scalar", nullptr},
      {"attention_multiplier", nullptr},
      {"embedding_multiplier", nullptr},
      {"residual_multiplier", nullptr},
      {"logits_scaling", nullptr},
      {"no_rope_layers", nullptr},
      {"num_local_experts", nullptr},
  };
  for (const auto& [key, neutral] : kNeutralValues) {
    if (has_value(config, key) && config[key] != neutral) {
      fail(ExitCode::kConfig,
           "{}: '{}' is {}, which is not supported (expected {}{} or no such key)",
           where,
           key,
           dump_json(config[key]),
           dump_json(neutral),
           neutral.is_null() ? "" : ", null");
    }
  }
}

void read_sizes(const Json& config, const std::string& where, LlamaConfig& result) {
  const auto size = [&](const char* key, int64_t otherwise, int64_t highest) {
    return config.contains(key) ? require_int(config, key, 1, highest, where) : otherwise;
  };
  using namespace defaults;
  result.hidden_size = size("hidden_size", kHiddenSize, kMaxWidth);
  result.intermediate_size = size("intermediate_size", kIntermediateSize, kMaxWidth);
  result.num_hidden_layers = size("num_hidden_layers", kNumHiddenLayers, 1024);
  result.num_attention_heads = size("num_attention_heads", kNumAttentionHeads, 4096);
  // Models from before grouped queries have as many of both; some tools write null then.
  result.num_key_value_heads = has_value(config, "num_key_value_heads")
                                   ? require_int(config, "num_key_value_heads", 1, 4096, where)
                                   : result.num_attention_heads;
  result.vocab_size = size("vocab_size", kVocabSize, kMaxVocabulary);
  result.max_position_embeddings =
      size("max_position_embeddings", kMaxPositionEmbeddings, 1ll << 31);
  if (result.num_attention_heads % result.num_key_value_heads != 0) {
    fail(ExitCode::kBadData,
         "{}: num_attention_heads ({}) is not a multiple of num_key_value_heads ({})",
         where,
         result.num_attention_heads,
         result.num_key_value_heads);
  }
}

// Stated, or by the architecture's definition the width of a head when the width is divided evenly.
int64_t read_head_dim(const Json& config, const std::string& where, const LlamaConfig& sizes) {
  const bool is_stated = has_value(config, "head_dim");
  if (!is_stated && sizes.hidden_size % sizes.num_attention_heads != 0) {
    fail(ExitCode::kBadData,
         "{}: hidden_size ({}) is not a multiple of num_attention_heads ({}) and there is no "
         "head_dim",
         where,
         sizes.hidden_size,
         sizes.num_attention_heads);
  }
  const int64_t head_dim = is_stated ? require_int(config, "head_dim", 1, 4096, where)
                                     : sizes.hidden_size / sizes.num_attention_heads;
  if (head_dim % 2 != 0) {
    fail(ExitCode::kBadData, "{}: head_dim is {}, expected an even number", where, head_dim);
  }
  return head_dim;
}

double read_norm_eps(const Json& config, const std::string& where) {
  if (!config.contains("rms_norm_eps")) return defaults::kRmsNormEps;
  const double eps = require_number(config, "rms_norm_eps", where);
  if (!(eps > 0 && eps <= 0.1)) {
    fail(ExitCode::kBadData, "{}: rms_norm_eps is {}, expected above 0 to 0.1", where, eps);
  }
  return eps;
}

// An id, a list of ids, or null.
void add_eos_ids(const Json& object,
                 const std::string& where,
                 int64_t vocab_size,
                 std::set<int64_t>& ids) {
  if (!has_value(object, "eos_token_id")) return;
  const Json& value = object["eos_token_id"];
  const int64_t highest = vocab_size - 1;
  if (value.is_array()) {
    for (const int64_t id : require_ints(object, "eos_token_id", 0, highest, where)) ids.insert(id);
  } else {
    ids.insert(require_int(object, "eos_token_id", 0, highest, where));
  }
}

// None where both files say null: what then ends an answer is the template's matter.
std::vector<int64_t> read_eos_ids(const Json& config, const fs::path& folder, int64_t vocab_size) {
  std::set<int64_t> ids;
  add_eos_ids(config, (folder / "config.json").string(), vocab_size, ids);
  const fs::path generation = folder / "generation_config.json";
  Json more;
  if (is_there(generation)) {
    more = read_object(generation);
    add_eos_ids(more, generation.string(), vocab_size, ids);
  }
  const bool is_stated = config.contains("eos_token_id") || more.contains("eos_token_id");
  if (!is_stated && defaults::kEosId < vocab_size) ids.insert(defaults::kEosId);
  return {ids.begin(), ids.end()};
}

std::optional<int64_t> read_bos_id(const Json& config,
                                   const std::string& where,
                                   int64_t vocab_size) {
  if (!config.contains("bos_token_id")) return defaults::kBosId;
  if (!has_value(config, "bos_token_id")) return std::nullopt;
  return require_int(config, "bos_token_id", 0, vocab_size - 1, where);
}

}  // namespace

LlamaConfig read_llama_config(const std::filesystem::path& folder) {
  require_model_folder(folder);
  const fs::path file = folder / "config.json";
  if (!is_there(file)) fail_without_config(folder);
  const std::string where = file.string();
  const Json config = read_object(file);
  require_llama(config, where);
  refuse_other_mathematics(config, where);

  LlamaConfig result;
  read_sizes(config, where, result);
  result.head_dim = read_head_dim(config, where, result);
  result.rms_norm_eps = read_norm_eps(config, where);
  result.rope = read_rope_config(config, result.max_position_embeddings, where);
  result.tie_word_embeddings = has_value(config, "tie_word_embeddings") &&
                               require_bool(config, "tie_word_embeddings", where);
  result.bos_id = read_bos_id(config, where, result.vocab_size);
  result.eos_ids = read_eos_ids(config, folder, result.vocab_size);
  return result;
}

}  // namespace thoughtrank
