#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "model/foreign_weights.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

namespace {

using Shape = std::vector<int64_t>;

// The one list of parameters: visit(name, tensor, shape) for each, with Hugging Face's names in
// Hugging Face's order. `model` is a Llama or a const Llama.
template <class Model, class Visit>
void visit_parameters(Model& model, const Visit& visit) {
  const LlamaConfig& config = model.config;
  const int64_t C = config.hidden_size, F = config.intermediate_size, V = config.vocab_size;
  const int64_t query_width = config.num_attention_heads * config.head_dim;  // H·D
  const int64_t key_width = config.num_key_value_heads * config.head_dim;    // K·D
  visit("model.embed_tokens.weight", model.embed_tokens, Shape{V, C});
  for (size_t n = 0; n < model.layers.size(); ++n) {
    auto& layer = model.layers[n];
    const auto visit_weight = [&](const char* name, auto& tensor, const Shape& shape) {
      visit(fmt::format("model.layers.{}.{}.weight", n, name), tensor, shape);
    };
    visit_weight("self_attn.q_proj", layer.q_proj, {query_width, C});
    visit_weight("self_attn.k_proj", layer.k_proj, {key_width, C});
    visit_weight("self_attn.v_proj", layer.v_proj, {key_width, C});
    visit_weight("self_attn.o_proj", layer.o_proj, {C, query_width});
    visit_weight("mlp.gate_proj", layer.gate_proj, {F, C});
    visit_weight("mlp.up_proj", layer.up_proj, {F, C});
    visit_weight("mlp.down_proj", layer.down_proj, {C, F});
    visit_weight("input_layernorm", layer.input_layernorm, {C});
    visit_weight("post_attention_layernorm", layer.post_attention_layernorm, {C});
  }
  visit("model.norm.weight", model.norm, Shape{C});
  if (!config.tie_word_embeddings) visit("lm_head.weight", model.lm_head, Shape{V, C});
}

std::string shape_text(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

void require_weight(const TensorInfo& info, const Shape& shape) {
  if (info.shape != shape) {
    fail(ExitCode::kBadData,
         "{}: {} is {}, config.json says {}. Do config.json and weights belong together?",
         info.file.string(),
         info.name,
         shape_text(info.shape),
         shape_text(shape));
  }
  if (!at::isFloatingType(info.dtype)) {
    fail(ExitCode::kBadData,
         "{}: {} has dtype {}, expected float32, float16 or bfloat16",
         info.file.string(),
         info.name,
         c10::toString(info.dtype));
  }
}

// Older files carry the rotary table of each layer, which config.json determines.
bool is_rotary_buffer(const std::string& name, const LlamaConfig& config) {
  static const std::regex kPattern(R"(model\.layers\.(\d{1,4})\.self_attn\.rotary_emb\.inv_freq)");
  std::smatch match;
  return std::regex_match(name, match, kPattern) && std::stoll(match[1]) < config.num_hidden_layers;
}

// Everything must be there before anything is read; `expected` is what visit_parameters lists.
void check_names(const std::map<std::string, TensorInfo>& found,
                 const std::map<std::string, Shape>& expected,
                 const std::filesystem::path& folder,
                 const LlamaConfig& config) {
  std::vector<std::string> missing, extra;
  for (const auto& [name, shape] : expected) {
    const auto info = found.find(name);
    if (info == found.end()) {
      missing.push_back(name);
    } else {
      require_weight(info->second, shape);
    }
  }
  for (const auto& [name, info] : found) {
    const bool is_tied_head = config.tie_word_embeddings && name == "lm_head.weight";
    if (!expected.contains(name) && !is_tied_head && !is_rotary_buffer(name, config)) {
      extra.push_back(name);
    }
  }
  const auto refuse = [&](const std::vector<std::string>& names, const char* what) {
    if (names.empty()) return;
    std::string mend = foreign_names_text(found);
    if (names.front() == "lm_head.weight" && names.size() == 1) {
      mend =
          "config.json says tie_word_embeddings false, or nothing, which means that. If the "
          "model's "
          "head is its embedding, set it to true there";
    }
    fail(ExitCode::kBadData,
         "{}: {} {} ({} in all). {}",
         folder.string(),
         names.front(),
         what,
         names.size(),
         mend.empty() ? "Do config.json and weights belong together?" : mend);
  };
  refuse(missing, "is missing in the weight files");
  refuse(extra, "is in the weight files, config.json has no place for it");
}

// A sum is finite iff all its terms are, unless it overflows: then each is looked at.
void require_finite(const TensorInfo& info, const at::Tensor& tensor) {
  if (std::isfinite(tensor.sum(at::kFloat).item<double>())) return;
  const int64_t bad = tensor.numel() - at::isfinite(tensor).sum().item<int64_t>();
  if (bad == 0) return;
  fail(ExitCode::kBadData,
       "{}: {} has {} of {} values that are not finite (NaN or infinity). Was the file damaged, or "
       "did its training fail?",
       info.file.string(),
       info.name,
       bad,
       tensor.numel());
}

void check_tied_head(const SafetensorsReader& reader, const std::filesystem::path& folder) {
  if (!reader.tensors().contains("lm_head.weight")) return;
  if (!at::equal(reader.read("lm_head.weight"), reader.read("model.embed_tokens.weight"))) {
    fail(ExitCode::kBadData,
         "{}: lm_head.weight differs from model.embed_tokens.weight, config.json says "
         "tie_word_embeddings true",
         folder.string());
  }
}

}  // namespace

NamedTensors Llama::named_parameters() const {
  NamedTensors parameters;
  visit_parameters(*this, [&](const std::string& name, const at::Tensor& tensor, const Shape&) {
    parameters.emplace_back(name, tensor);
  });
  return parameters;
}

SafetensorsReader open_llama_weights(const std::filesystem::path& folder) {
  Llama model;
  model.config = read_llama_config(folder);
  model.layers.resize(static_cast<size_t>(model.config.num_hidden_layers));
  auto reader = SafetensorsReader::open_model(folder);
  std::map<std::string, Shape> expected;
  visit_parameters(model, [&](const std::string& name, const at::Tensor&, const Shape& shape) {
    expected.emplace(name, shape);
  });
  check_names(reader.tensors(), expected, folder, model.config);
  return reader;
}

Llama load_llama(const std::filesystem::path& folder, at::ScalarType dtype, at::Device device) {
  // Tensors allocated in inference mode could never be trained.
  const c10::InferenceMode no_inference_mode(false);
  Llama model;
  model.config = read_llama_config(folder);
  model.layers.resize(static_cast<size_t>(model.config.num_hidden_layers));
  const auto reader = open_llama_weights(folder);
  if (model.config.tie_word_embeddings) check_tied_head(reader, folder);

  visit_parameters(model, [&](const std::string& name, at::Tensor& tensor, const Shape&) {
    const at::Tensor stored = reader.read(name);
    require_finite(reader.tensors().at(name), stored);
    tensor = stored.to(device, dtype);
  });
  if (model.config.tie_word_embeddings) model.lm_head = model.embed_tokens;
  return model;
}

std::string weights_sha256(const std::filesystem::path& folder) {
  Sha256 hash;
  for (const auto& file : SafetensorsReader::open_model(folder).files()) {
    hash.update(fmt::format("{} {}\n", file.filename().string(), sha256_file(file)));
  }
  return hash.hex_digest();
}

}  // namespace thoughtrank
