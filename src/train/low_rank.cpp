#include "train/low_rank.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

struct Linear {
  const char* name;
  const char* block;
  at::Tensor LlamaLayer::*weight;
};
constexpr Linear kLinears[] = {{"q_proj", "self_attn", &LlamaLayer::q_proj},
                               {"k_proj", "self_attn", &LlamaLayer::k_proj},
                               {"v_proj", "self_attn", &LlamaLayer::v_proj},
                               {"o_proj", "self_attn", &LlamaLayer::o_proj},
                               {"gate_proj", "mlp", &LlamaLayer::gate_proj},
                               {"up_proj", "mlp", &LlamaLayer::up_proj},
                               {"down_proj", "mlp", &LlamaLayer::down_proj}};

// Uniform in ±1/sqrt(in), as PEFT's (Kaiming's with a = sqrt(5)).
at::Tensor random_a(int64_t rank, int64_t in, RandomStream stream) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  std::vector<float> values(static_cast<size_t>(rank * in));
  for (float& value : values) value = static_cast<float>((2 * stream.uniform() - 1) * bound);
  return at::tensor(values, at::kFloat).view({rank, in});
}

}  // namespace

std::vector<std::string> lora_targets(const LoraOptions& options) {
  std::string text = options.targets;
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream words(text);
  std::vector<std::string> asked, targets;
  for (std::string word; words >> word;) asked.push_back(word);
  const bool is_all = asked == std::vector<std::string>{"all-linear"};
  for (const Linear& linear : kLinears) {
    const auto found = std::find(asked.begin(), asked.end(), linear.name);
    if (is_all || found != asked.end()) targets.emplace_back(linear.name);
    if (found != asked.end()) asked.erase(found);
  }
  if (targets.empty() || (!is_all && !asked.empty())) {
    fail(ExitCode::kConfig,
         "train.lora.targets: expected all-linear or some of q_proj, k_proj, v_proj, o_proj, "
         "gate_proj, up_proj, down_proj, each once; found '{}'",
         options.targets);
  }
  return targets;
}

LowRankAdapters::LowRankAdapters(Llama& model, const LoraOptions& options, uint64_t seed)
    : scale_(options.alpha / static_cast<double>(options.rank)) {
  const std::vector<std::string> targets = lora_targets(options);
  for (size_t n = 0; n < model.layers.size(); ++n) {
    for (const Linear& linear : kLinears) {
      if (std::find(targets.begin(), targets.end(), linear.name) == targets.end()) continue;
      at::Tensor& place = model.layers[n].*linear.weight;
      const RandomStream stream(
          seed, linear.name, {stable_hash("low-rank adapter"), static_cast<uint64_t>(n)});
      const auto float32 = place.options().dtype(at::kFloat);
      adapters_.push_back(
          {.name = fmt::format("model.layers.{}.{}.{}", n, linear.block, linear.name),
           .place = &place,
           .frozen = place,
           .a = random_a(options.rank, place.size(1), stream).to(place.device()),
           .b = at::zeros({place.size(0), options.rank}, float32)});
    }
  }
}

NamedTensors LowRankAdapters::parameters() const {
  NamedTensors named;
  for (const Adapter& adapter : adapters_) {
    const std::string name = "base_model.model." + adapter.name;
    named.emplace_back(name + ".lora_A.weight", adapter.a);
    named.emplace_back(name + ".lora_B.weight", adapter.b);
  }
  return named;
}

void LowRankAdapters::merge() {
  for (const Adapter& adapter : adapters_) {
    const at::Tensor change = at::matmul(adapter.b, adapter.a) * scale_;  // (out, in)
    *adapter.place = (adapter.frozen.to(at::kFloat) + change).to(adapter.frozen.scalar_type());
  }
}

Json adapter_config(const LoraOptions& options, const std::string& base) {
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", base},
          {"r", options.rank},
          {"lora_alpha", options.alpha},
          {"lora_dropout", 0.0},
          {"target_modules", lora_targets(options)},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"init_lora_weights", true},
          {"inference_mode", true},
          {"use_rslora", false},
          {"use_dora", false},
          {"modules_to_save", nullptr},
          {"rank_pattern", Json::object()},
          {"alpha_pattern", Json::object()}};
}

std::vector<ManifestEntry> write_adapter(const fs::path& folder,
                                         const NamedTensors& adapter,
                                         const Json& config) {
  fs::create_directory(folder);
  FileWriter writer(folder / "adapter_config.json");
  writer.write(config.dump(/*indent=*/2) + "\n");
  writer.close();
  return {{.path = "adapter_config.json", .bytes = writer.bytes(), .sha256 = writer.sha256()},
          write_safetensors(folder / "adapter_model.safetensors", adapter)};
}

}  // namespace thoughtrank
