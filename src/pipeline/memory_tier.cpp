#include "pipeline/memory_tier.h"

#include "thoughtrank/model/device.h"
#include "thoughtrank/train/memory.h"

namespace thoughtrank {

std::string choose_tier(const TrainOptions& options,
                        const LlamaConfig& model,
                        const ComputeSetup& compute,
                        uint64_t available_bytes) {
  if (options.optimizer_state != "auto") return options.optimizer_state;
  if (available_bytes == 0) return "float32";  // nobody can tell
  const std::vector<std::string> tiers = {"float32_master", "float32", "bfloat16", "int8"};
  const TrainingSize size = {
      .weights = compute.train_dtype == "bfloat16" ? at::kBFloat16 : at::kFloat,
      .device = at::Device(compute.device)};
  TrainOptions tried = options;
  for (const std::string& tier : tiers) {
    tried.optimizer_state = tier;
    if (training_memory(model, tried, size).standing() <= available_bytes / 4 * 3) return tier;
  }
  return tiers.back();
}

ComputeSetup with_tier(ComputeSetup compute,
                       const TrainOptions& options,
                       const LlamaConfig& model) {
  compute.optimizer_state =
      choose_tier(options, model, compute, memory_available_on(compute.device));
  return compute;
}

}  // namespace thoughtrank
