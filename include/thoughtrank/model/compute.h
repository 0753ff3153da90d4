// On what a process computes: the device, the element types, the threads, and how the optimizer's
// state is stored; whether this machine has all that; what memory its device has. "auto" becomes a
// value here and nowhere else.
//
// A machine's cards are asked through NVML (src/model/gpu.h), which starts nothing on them. What
// needs CUDA itself is device_cuda.cpp, or device_without_cuda.cpp in builds without it.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/kernels/instruction_set.h"
#include "thoughtrank/model/dtype.h"

namespace thoughtrank {

// How AdamW's moments are stored; float32_master keeps bfloat16 weights in float32, too.
enum class OptimizerState : uint8_t { float32_master, float32, bfloat16, int8 };

// From the most memory to the least.
inline constexpr EnumWords<OptimizerState, 4> kOptimizerStates = {
    {{OptimizerState::float32_master, "float32_master"},
     {OptimizerState::float32, "float32"},
     {OptimizerState::bfloat16, "bfloat16"},
     {OptimizerState::int8, "int8"}}};

// What an option offers; nullopt stands for "auto".
inline constexpr EnumWords<std::optional<OptimizerState>, 5> kOptimizerStateChoices = {
    {{std::nullopt, "auto"},
     {OptimizerState::float32_master, kOptimizerStates[0].word},
     {OptimizerState::float32, kOptimizerStates[1].word},
     {OptimizerState::bfloat16, kOptimizerStates[2].word},
     {OptimizerState::int8, kOptimizerStates[3].word}}};

[[nodiscard]] inline std::string word_of(OptimizerState state) {
  return word_of(state, kOptimizerStates);
}

// What a user asks for.
struct ComputeOptions {
  std::string device = "auto";            // "auto", "cpu", "cuda", "cuda:N"
  std::optional<Dtype> dtype = {};        // nullopt: bfloat16 where the device multiplies it
  std::optional<Dtype> train_dtype = {};  // nullopt: as dtype
  std::optional<int64_t> threads = {};    // nullopt: one per core
  std::string instruction_set = "auto";   // "auto": the fastest, as instruction_set() says
};

// What a process computes on; frozen in run.json at the first start.
struct ComputeSetup {
  std::string device;                                               // "cpu", "cuda:0"
  Dtype dtype = Dtype::float32;                                     // of generation and scoring
  Dtype train_dtype = Dtype::float32;                               // of training
  int64_t threads = 1;                                              // of the CPU
  InstructionSet instruction_set = thoughtrank::instruction_set();  // of the CPU
  OptimizerState optimizer_state = OptimizerState::float32;
};

// Returns the set of that name, or for "auto" the process's. Throws Error(kConfig) for a name that
// nobody knows and for a set that this machine lacks.
[[nodiscard]] InstructionSet resolve_instruction_set(const std::string& name);

// Resolves "auto" against this machine. The device becomes the first GPU that this build and its
// driver can use, else the CPU, with a warning where a GPU is there but will not do. Throws
// Error(kConfig) in one line, with the mend, for a GPU that was asked for and will not do.
[[nodiscard]] ComputeSetup resolve_compute(const ComputeOptions& options);

// Sets the thread count and the instruction set of the process. Throws what require_device()
// throws.
void use_compute(const ComputeSetup& compute);

// Throws Error(kConfig) in one line, with the mend, when a resolved device ("cpu", "cuda:0") is not
// on this machine (any more), will not do, or has less than `memory_bytes` free.
void require_device(const std::string& device, uint64_t memory_bytes = 0);

// Says what `doctor` shows of the GPU: "none" where there is no driver. Throws Error(kConfig) as
// above where there is one and the card will not do.
[[nodiscard]] std::string describe_device();

// Whether the CPU multiplies bfloat16 in hardware (AVX512_BF16 or AMX) and may do so (may_use()).
[[nodiscard]] bool has_fast_bfloat16();

// Returns the bytes that can be had on the device ("cpu", "cuda:0"), 0 where nobody can tell. It
// asks the driver and starts nothing on a card.
[[nodiscard]] uint64_t memory_available(const std::string& device);

// Returns the compute capabilities times ten that this build has kernels for; none without CUDA.
[[nodiscard]] std::vector<int> cuda_architectures();

// Returns the bytes that the device has free, nullopt where nobody can tell. It asks the device's
// own runtime, which it starts.
[[nodiscard]] std::optional<int64_t> free_device_memory(at::Device device);

// Returns the most bytes that libtorch's allocator held on a GPU at once since the process began
// (what the driver and the kernels' code take comes on top), nullopt for the CPU.
[[nodiscard]] std::optional<int64_t> peak_device_bytes(at::Device device);

// Returns when the device has done all that was enqueued.
void wait_for_device(at::Device device);

}  // namespace thoughtrank
