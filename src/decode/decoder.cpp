#include "thoughtrank/decode/decoder.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "decode/branch_run.h"
#include "decode/packed_llama.h"
#include "decode/score.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/memory.h"

namespace thoughtrank {
namespace {

constexpr int64_t kSlotStep = 16;
constexpr int64_t kDefaultSlots = 64, kMostSlots = 1024;
constexpr int64_t kExpectedTokens = 512;  // of a branch, for the choice of slots
constexpr int64_t kRowsOfChunk = 256;     // of prompts and scored texts

// As many slots as half of the memory left holds at the expected length: 16 to 64.
int64_t slots_for_memory(const Llama& model) {
  const LlamaConfig& config = model.config;
  const int64_t slot_bytes =
      kExpectedTokens * kv_bytes_per_token({config.num_hidden_layers,
                                            config.num_key_value_heads,
                                            config.head_dim,
                                            model.embed_tokens.scalar_type()});
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

}  // namespace

struct Decoder::Engine {
  Engine(Llama llama, int64_t slot_count, int64_t threads)
      : slots(slot_count), model(std::move(llama), std::max(kRowsOfChunk, slot_count), threads) {}
  int64_t slots;
  PackedLlama model;
};

Decoder::Decoder(Llama model, DecodeOptions options) {
  const at::NoGradGuard no_grad;
  const int64_t slots = choose_slots(model, options);
  const int64_t threads = options.threads.value_or(at::get_num_threads());
  engine_ = std::make_unique<Engine>(std::move(model), slots, threads);
  limit_kv_memory(engine_->model.kv_pool(), options.kv_bytes);
}

Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;

void Decoder::run(GroupSource& source, BranchSink& sink, const StopFlag& stop) {
  const at::NoGradGuard no_grad;
  BranchRun(engine_->model, engine_->slots, {.source = source, .sink = sink, .stop = stop}).run();
}

std::vector<ContinuationScore> Decoder::score(
    const std::vector<int64_t>& shared_ids,
    const std::vector<std::vector<int64_t>>& continuations) {
  const at::NoGradGuard no_grad;
  return score_continuations(engine_->model, shared_ids, continuations);
}

int64_t Decoder::slots() const { return engine_->slots; }

const LlamaConfig& Decoder::config() const { return engine_->model.config(); }

}  // namespace thoughtrank
