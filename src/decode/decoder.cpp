#include "thoughtrank/decode/decoder.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "decode/branch_run.h"
#include "decode/device_run.h"
#include "decode/packed_llama.h"
#include "decode/score.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/memory.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/sizes.h"

namespace thoughtrank {
namespace {

constexpr int64_t kSlotStep = 16;
constexpr int64_t kDefaultSlots = 64, kMostSlots = 1024;
constexpr int64_t kDefaultDeviceSlots = 256;
constexpr int64_t kExpectedTokens = 512;  // of a branch, for the choice of slots
constexpr int64_t kRowsOfChunk = 256;     // of prompts and scored texts

// As many slots as half of the memory left holds at the expected length: 16 to 64.
int64_t slots_for_memory(const Llama& model) {
  const int64_t slot_bytes = kExpectedTokens / kPageTokens * KvPool(kv_shape(model)).page_bytes();
  const std::optional<int64_t> left = available_memory();
  if (!left) return kDefaultSlots;
  const int64_t fitting = *left / 2 / slot_bytes / kSlotStep * kSlotStep;
  return std::clamp(fitting, kSlotStep, kDefaultSlots);
}

int64_t choose_slots(const Llama& model, const DecodeOptions& options) {
  if (!options.slots) return slots_for_memory(model);
  if (*options.slots < kSlotStep || *options.slots > kMostSlots ||
      *options.slots % kSlotStep != 0) {
    fail(ExitCode::kConfig,
         "generate.slots must be a multiple of {} up to {}, found {}",
         kSlotStep,
         kMostSlots,
         *options.slots);
  }
  return *options.slots;
}

// Unknown memory sets no limit.
void limit_kv_memory(KvPool& pool, std::optional<int64_t> asked) {
  const std::optional<int64_t> left = available_memory();
  if (asked) {
    pool.limit_to(*asked);
  } else if (left) {
    pool.limit_to(*left - *left / 16);
  }
}

// Pages of 64 tokens: what the device has free, less an eighth for the prompts' activations, at
// most what all slots can fill.
int64_t pages_for_device(const Llama& model, int64_t slots, const DecodeOptions& options) {
  const LlamaConfig& c = model.config;
  const int64_t page_bytes =
      kPageTokens * kv_elements_per_token(c) * model.embed_tokens.element_size();
  const std::optional<int64_t> left = free_device_memory(model.embed_tokens.device());
  const int64_t most = 2 * slots * (c.max_position_embeddings / kPageTokens + 1);
  const int64_t bytes = options.kv_bytes.value_or(left ? *left - *left / 8 : most * page_bytes);
  return std::clamp<int64_t>(bytes / page_bytes, 1, most);
}

}  // namespace

struct Decoder::Engine {
  virtual ~Engine() = default;
  virtual void run(GroupSource& source, BranchSink& sink, const StopFlag& stop) = 0;
  [[nodiscard]] virtual std::vector<ContinuationScore> score(
      const std::vector<int64_t>& shared_ids,
      const std::vector<std::vector<int64_t>>& continuations,
      const std::vector<int64_t>& given) = 0;
  [[nodiscard]] virtual int64_t slots() const = 0;
  [[nodiscard]] virtual const LlamaConfig& config() const = 0;
};

namespace {

struct CpuEngine : Decoder::Engine {
  CpuEngine(Llama llama, const DecodeOptions& options)
      : slot_count(choose_slots(llama, options)),
        model(std::move(llama),
              std::max(kRowsOfChunk, slot_count),
              options.threads.value_or(at::get_num_threads())) {
    limit_kv_memory(model.kv_pool(), options.kv_bytes);
  }
  void run(GroupSource& source, BranchSink& sink, const StopFlag& stop) override {
    BranchRun(model, slot_count, {.source = source, .sink = sink, .stop = stop}).run();
  }
  [[nodiscard]] std::vector<ContinuationScore> score(
      const std::vector<int64_t>& shared_ids,
      const std::vector<std::vector<int64_t>>& continuations,
      const std::vector<int64_t>& given) override {
    return score_continuations(model, shared_ids, continuations, given);
  }
  [[nodiscard]] int64_t slots() const override { return slot_count; }
  [[nodiscard]] const LlamaConfig& config() const override { return model.config(); }

  int64_t slot_count;
  PackedLlama model;
};

struct DeviceEngine : Decoder::Engine {
  DeviceEngine(Llama llama, const DecodeOptions& options)
      : records_steps(options.records_steps),
        slot_count(options.slots ? choose_slots(llama, options) : kDefaultDeviceSlots),
        model(std::move(llama),
              slot_count,
              pages_for_device(llama, slot_count, options),
              StepKernels(options.without)) {}
  void run(GroupSource& source, BranchSink& sink, const StopFlag& stop) override {
    const auto queue = open_device_queue(model.device(), records_steps);
    DeviceRun(model, *queue, {.source = source, .sink = sink, .stop = stop}).run();
  }
  [[nodiscard]] std::vector<ContinuationScore> score(
      const std::vector<int64_t>& shared_ids,
      const std::vector<std::vector<int64_t>>& continuations,
      const std::vector<int64_t>& given) override {
    return score_on_device(model, shared_ids, continuations, given);
  }
  [[nodiscard]] int64_t slots() const override { return slot_count; }
  [[nodiscard]] const LlamaConfig& config() const override { return model.config(); }

  bool records_steps;
  int64_t slot_count;
  DeviceLlama model;
};

}  // namespace

Decoder::Decoder(Llama model, DecodeOptions options) {
  const at::NoGradGuard no_grad;
  if (model.embed_tokens.is_cpu()) {
    engine_ = std::make_unique<CpuEngine>(std::move(model), options);
  } else {
    engine_ = std::make_unique<DeviceEngine>(std::move(model), options);
  }
}

Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;

void Decoder::run(GroupSource& source, BranchSink& sink, const StopFlag& stop) {
  const at::NoGradGuard no_grad;
  engine_->run(source, sink, stop);
}

std::vector<ContinuationScore> Decoder::score(
    const std::vector<int64_t>& shared_ids,
    const std::vector<std::vector<int64_t>>& continuations,
    const std::vector<int64_t>& given) {
  const at::NoGradGuard no_grad;
  return engine_->score(shared_ids, continuations, given);
}

int64_t Decoder::slots() const { return engine_->slots(); }

const LlamaConfig& Decoder::config() const { return engine_->config(); }

Decoder load_decoder(const std::filesystem::path& model_folder,
                     const ComputeSetup& compute,
                     DecodeOptions options) {
  const int64_t parameters = parameter_count(read_llama_config(model_folder));
  require_device(compute.device, static_cast<uint64_t>(parameters * bytes_of(compute.dtype)));
  Llama model = load_llama(model_folder, scalar_type(compute.dtype), at::Device(compute.device));
  options.threads = compute.threads;
  return Decoder(std::move(model), options);
}

}  // namespace thoughtrank
