#include "thoughtrank/model/config.h"

#include <algorithm>
#include <set>

#include "model/config_rope.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

namespace {

constexpr uint64_t kMaxConfigBytes = 16'000'000;
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 24;

Json read_object(const fs::path& file) {
  Json object = parse_json(read_file(file, kMaxConfigBytes), file.string());
  if (!object.is_object()) fail(ExitCode::kBadData, "{}: expected a JSON object", file.string());
  return object;
}

void require_llama(const Json& config, const std::string& where) {
  const std::string model_type = require_string(config, "model_type", where);
  const Json expected = Json::array({"LlamaForCausalLM"});
  const Json& architectures = require(config, "architectures", where);
  if (model_type != "llama" || architectures != expected) {
    fail(
        ExitCode::kConfig,
        "{}: model_type is '{}' and architectures {}, expected 'llama' and {}. Other architectures "
        "are not supported.",
        where,
        model_type,
        dump_json(architectures),
        dump_json(expected));
  }
  const std::string activation = require_string(config, "hidden_act", where);
  if (activation != "silu") {
    fail(ExitCode::kConfig, "{}: hidden_act is '{}', expected 'silu'", where, activation);
  }
}

// Keys that change the mathematics of a Llama, with the one value (besides null) that does not.
void refuse_other_mathematics(const Json& config, const std::string& where) {
  static const std::pair<const char*, Json> kNeutralValues[] = {
      {"attention_bias", false},
      {"mlp_bias", false},
      {"pretraining_tp", 1},
      {"partial_rotary_factor", 1},
      {"rope_interleaved", false},
      {"use_sliding_window", false},
      {"quantization_config", nullptr},
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
  const auto size = [&](const char* key, int64_t highest) {
    return require_int(config, key, 1, highest, where);
  };
  result.hidden_size = size("hidden_size", kMaxWidth);
  result.intermediate_size = size("intermediate_size", kMaxWidth);
  result.num_hidden_layers = size("num_hidden_layers", 1024);
  result.num_attention_heads = size("num_attention_heads", 4096);
  result.num_key_value_heads = size("num_key_value_heads", 4096);
  result.vocab_size = size("vocab_size", kMaxVocabulary);
  result.max_position_embeddings = size("max_position_embeddings", 1ll << 31);
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
  const double eps = require_number(config, "rms_norm_eps", where);
  if (!(eps > 0 && eps <= 0.1)) {
    fail(ExitCode::kBadData, "{}: rms_norm_eps is {}, expected above 0 to 0.1", where, eps);
  }
  return eps;
}

// "dtype", or "torch_dtype" in older files.
Dtype read_dtype(const Json& config, const std::string& where) {
  const bool has_both = has_value(config, "dtype") && has_value(config, "torch_dtype");
  const char* key = has_value(config, "dtype") ? "dtype" : "torch_dtype";
  const std::string word = require_string(config, key, where);
  if (has_both && require_string(config, "torch_dtype", where) != word) {
    fail(ExitCode::kBadData, "{}: 'dtype' and 'torch_dtype' differ", where);
  }
  const std::optional<Dtype> dtype = value_of(word, kDtypes);
  if (!dtype) {
    fail(ExitCode::kConfig,
         "{}: {} is '{}', expected 'float32', 'float16' or 'bfloat16'",
         where,
         key,
         word);
  }
  return *dtype;
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

std::vector<int64_t> read_eos_ids(const Json& config, const fs::path& folder, int64_t vocab_size) {
  std::set<int64_t> ids;
  add_eos_ids(config, (folder / "config.json").string(), vocab_size, ids);
  const fs::path generation = folder / "generation_config.json";
  if (fs::exists(generation)) {
    add_eos_ids(read_object(generation), generation.string(), vocab_size, ids);
  }
  if (ids.empty()) {
    fail(ExitCode::kBadData,
         "{}: neither config.json nor generation_config.json names an eos_token_id",
         folder.string());
  }
  return {ids.begin(), ids.end()};
}

}  // namespace

LlamaConfig read_llama_config(const std::filesystem::path& folder) {
  const fs::path file = folder / "config.json";
  const std::string where = file.string();
  const Json config = read_object(file);
  require_llama(config, where);
  refuse_other_mathematics(config, where);

  LlamaConfig result;
  read_sizes(config, where, result);
  result.head_dim = read_head_dim(config, where, result);
  result.rms_norm_eps = read_norm_eps(config, where);
  result.rope = read_rope_config(config, where);
  result.tie_word_embeddings = require_bool(config, "tie_word_embeddings", where);
  if (has_value(config, "bos_token_id")) {
    result.bos_id = require_int(config, "bos_token_id", 0, result.vocab_size - 1, where);
  }
  result.eos_ids = read_eos_ids(config, folder, result.vocab_size);
  result.dtype = read_dtype(config, where);
  return result;
}

}  // namespace thoughtrank
