#include "pipeline/memory_tier.h"

#include "thoughtrank/core/memory.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {

namespace {

// Bytes of the optimizer's state for each weight.
double bytes_of_state(const std::string& tier, bool is_float32) {
  constexpr double kScales = 2.0 * 4 / 256;  // of both moments, one for each 256
  if (tier == "int8") return 2 + kScales;
  if (tier == "bfloat16") return 4;
  return tier == "float32_master" && !is_float32 ? 12 : 8;
}

}  // namespace

uint64_t training_bytes(const TrainOptions& options,
                        const std::string& tier,
                        const std::string& train_dtype,
                        int64_t parameters) {
  const bool is_float32 = train_dtype == "float32";
  const double weight = is_float32 ? 4 : 2;
  // LoRA: frozen and merged weights; the adapters' own state is small beside them.
  const double each =
      options.method == "lora" ? 2 * weight : 2 * weight + bytes_of_state(tier, is_float32);
  return static_cast<uint64_t>(static_cast<double>(parameters) * each);
}

std::string choose_tier(const TrainOptions& options,
                        const std::string& train_dtype,
                        int64_t parameters,
                        uint64_t available_bytes) {
  if (options.optimizer_state != "auto") return options.optimizer_state;
  if (available_bytes == 0) return "float32";  // nobody can tell
  for (const char* tier : {"float32_master", "float32", "bfloat16"}) {
    const uint64_t needed = training_bytes(options, tier, train_dtype, parameters);
    if (needed <= available_bytes / 4 * 3) return tier;
  }
  return "int8";
}

int64_t count_parameters(const fs::path& model) {
  int64_t count = 0;
  const auto weights = SafetensorsReader::open_model(model);
  for (const auto& [name, tensor] : weights.tensors()) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    count += elements;
  }
  return count;
}

Machine with_tier(Machine machine, const RunConfig& config) {
  machine.optimizer_state = choose_tier(config.train,
                                        machine.train_dtype,
                                        count_parameters(config.model.path),
                                        static_cast<uint64_t>(available_memory().value_or(0)));
  return machine;
}

}  // namespace thoughtrank
