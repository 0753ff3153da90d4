#include "train/tiers.h"

#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/adamw.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/train/memory.h"
#include "train/low_rank.h"

namespace thoughtrank {
namespace {

void require(bool is_possible, const char* what) {
  if (!is_possible) fail(ExitCode::kConfig, "train.optimizer_in_backward: {}", what);
}

}  // namespace

at::ScalarType weights_dtype(const TrainOptions& options, at::ScalarType loaded) {
  return options.dtype ? scalar_type(*options.dtype) : loaded;
}

at::ScalarType moments_dtype(const TrainOptions& options) {
  switch (options.optimizer_state.value_or(OptimizerState::float32)) {
    case OptimizerState::float32_master:
    case OptimizerState::float32:
      return at::kFloat;
    case OptimizerState::bfloat16:
      return at::kBFloat16;
    case OptimizerState::int8:
      return at::kByte;
  }
  throw std::logic_error("an optimizer state that is none");
}

bool has_float32_master(const TrainOptions& options) {
  return options.optimizer_state == OptimizerState::float32_master;
}

int64_t moment_bytes(const TrainOptions& options, at::ScalarType weights, int64_t parameters) {
  const auto moment = static_cast<int64_t>(at::elementSize(moments_dtype(options)));
  const bool is_byte = moments_dtype(options) == at::kByte;
  const bool has_master = has_float32_master(options) && weights != at::kFloat;
  const int64_t blocks = (parameters + kMomentBlock - 1) / kMomentBlock;
  const int64_t scales = is_byte ? blocks * 4 : 0, master = has_master ? parameters * 4 : 0;
  return 2 * (parameters * moment + scales) + master;
}

void require_tier(const TrainOptions& options) {
  if (!options.replay.path.empty() && options.objective != Objective::sft) {
    fail(ExitCode::kConfig,
         "train.replay.path has rows of objective sft; leave it out with objective dpo_nll");
  }
  if (options.anchor.ema && options.method == TrainMethod::lora) {
    fail(ExitCode::kConfig,
         "train.anchor.ema averages whole weights; with method lora lower train.lora.alpha, or "
         "leave it out");
  }
  if (options.method == TrainMethod::lora) (void)lora_targets(options.lora);
  if (!options.optimizer_in_backward) {
    if (options.clip_per_tensor == 0) return;
    fail(ExitCode::kConfig,
         "train.clip_per_tensor goes with train.optimizer_in_backward; train.clip is the global "
         "norm");
  }
  require(options.objective == Objective::sft,
          "only objective sft has one backward pass for each weight; leave it out for others");
  require(options.method == TrainMethod::full,
          "the gradients of method lora are those of a few small adapters; leave it out");
  require(options.clip == 0,
          "a global norm is known only when all weights are updated already: set train.clip: 0, "
          "and train.clip_per_tensor to clip each tensor by itself");
  require(options.tokens_per_step <= options.sequence_length,
          "a step is one micro-batch, nothing accumulates: train.tokens_per_step must not be above "
          "train.sequence_length");
}

Checkpointing choose_checkpointing(const TrainOptions& options, const Llama& model) {
  const at::Device device = model.embed_tokens.device();
  return fitting_checkpointing(model.config,
                               options,
                               {.tokens = options.sequence_length,
                                .loss_tokens = options.sequence_length,
                                .weights = weights_dtype(options, model.embed_tokens.scalar_type()),
                                .device = device},
                               memory_available(device.str()));
}

}  // namespace thoughtrank
