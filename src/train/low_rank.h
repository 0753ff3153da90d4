// LoRA (Hu et al., arXiv 2106.09685): the model's linear layers stay frozen, and W + alpha/rank ·
// B·A takes the place of W, with A (rank, in) random and B (out, rank) zero at the start.
//
// merge() writes the sum into the model as a function of A and B, so any forward pass of the model
// trains them; it holds the merged weights beside the frozen ones, and a gradient of one weight at
// a time. A and B are float32 whatever the model is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/model/llama.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

class LowRankAdapters {
 public:
  // Error(kConfig) for a target that is no linear layer. `model` outlives the object.
  LowRankAdapters(Llama& model, const LoraOptions& options, uint64_t seed);

  // A and B of each target under PEFT's names.
  [[nodiscard]] NamedTensors parameters() const;
  // Under autograd where gradients are on; a new graph each time.
  void merge();

 private:
  struct Adapter {
    std::string name;   // "model.layers.0.self_attn.q_proj"
    at::Tensor* place;  // in the model
    at::Tensor frozen;  // (out, in)
    at::Tensor a;       // (rank, in)
    at::Tensor b;       // (out, rank)
  };
  double scale_;
  std::vector<Adapter> adapters_;
};

// "all-linear", or names such as "q_proj, v_proj", as the list of layers' names. Error(kConfig).
[[nodiscard]] std::vector<std::string> lora_targets(const LoraOptions& options);

// adapter_config.json of PEFT for adapters on the weights at `base`.
[[nodiscard]] Json adapter_config(const LoraOptions& options, const std::string& base);

// Makes `folder` with adapter_config.json and adapter_model.safetensors, durably.
[[nodiscard]] std::vector<ManifestEntry> write_adapter(const std::filesystem::path& folder,
                                                       const NamedTensors& adapter,
                                                       const Json& config);

}  // namespace thoughtrank
