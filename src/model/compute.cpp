#include "thoughtrank/model/compute.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "model/gpu.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/memory.h"
#include "thoughtrank/core/processors.h"
#include "thoughtrank/kernels/instruction_set.h"

namespace thoughtrank {
namespace {

// N of "cuda:N"; the config's check has seen that it is a number.
size_t index_of(const std::string& device) {
  size_t index = 0;
  if (const auto colon = device.find(':'); colon != std::string::npos) {
    std::from_chars(device.data() + colon + 1, device.data() + device.size(), index);
  }
  return index;
}

std::string problem_with(const GpuFacts& facts, size_t index, uint64_t memory_bytes = 0) {
  const GpuNeeds needs = {.architectures = cuda_architectures(), .memory_bytes = memory_bytes};
  std::string problem = gpu_problem(facts, index, needs);
  if (!problem.empty()) return problem;
  const bool torch_has_it =
      at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > static_cast<int64_t>(index);
  if (torch_has_it) return "";
  return fmt::format(
      "the driver shows cuda:{}, but libtorch finds no such card: install the pinned torch of "
      "CUDA 13 (scripts/setup.sh), or set device: cpu",
      index);
}

bool has_driver(const GpuFacts& facts) { return !facts.driver.empty() || !facts.fault.empty(); }

std::string resolve_automatically() {
  const GpuFacts facts = ask_driver();
  if (!has_driver(facts)) return "cpu";
  if (const std::string problem = problem_with(facts, 0); !problem.empty()) {
    log_warning("device auto: the CPU is used. {}", problem);
    return "cpu";
  }
  return "cuda:0";
}

// "auto", "cpu", "cuda" or "cuda:N" as "cpu" or "cuda:N".
std::string resolve_device(const std::string& asked) {
  if (asked == "cpu") return asked;
  if (asked == "auto") return resolve_automatically();
  const std::string device = asked == "cuda" ? "cuda:0" : asked;
  require_device(device);
  return device;
}

}  // namespace

InstructionSet resolve_instruction_set(const std::string& name) {
  // Asked first before a run's own set is used: a later run of the process begins with it again.
  static const InstructionSet of_process = instruction_set();
  if (name == "auto") return of_process;
  const std::optional<InstructionSet> set = find_instruction_set(name);
  if (set && is_supported(*set)) return *set;
  std::string names = "auto";
  for (const InstructionSet each : supported_instruction_sets()) {
    names += fmt::format(", {}", name_of(each));
  }
  const std::string problem = set == InstructionSet::amx ? problem_with_tiles() : "";
  fail(ExitCode::kConfig,
       "instruction_set is '{}', which this machine does not have{}: {}",
       name,
       problem.empty() ? "" : fmt::format(" ({})", problem),
       names);
}

ComputeSetup resolve_compute(const ComputeOptions& options) {
  ComputeSetup compute;
  compute.device = resolve_device(options.device);
  const bool is_gpu = compute.device != "cpu";
  const Dtype fastest = is_gpu || has_fast_bfloat16() ? Dtype::bfloat16 : Dtype::float32;
  compute.dtype = options.dtype.value_or(fastest);
  compute.train_dtype = options.train_dtype.value_or(compute.dtype);
  compute.threads = options.threads.value_or(usable_processors());
  compute.instruction_set = resolve_instruction_set(options.instruction_set);
  return compute;
}

void use_compute(const ComputeSetup& compute) {
  require_device(compute.device);
  at::set_num_threads(static_cast<int>(compute.threads));
  use_instruction_set(compute.instruction_set);
  static std::once_flag told;
  std::call_once(told, [] {
    if (const std::string problem = problem_with_tiles(); !problem.empty()) {
      log_info("the CPU's matrix tiles are not used: {}", problem);
    }
  });
}

void require_device(const std::string& device, uint64_t memory_bytes) {
  if (device == "cpu") return;
  const std::string problem = problem_with(ask_driver(), index_of(device), memory_bytes);
  if (!problem.empty()) fail(ExitCode::kConfig, "device {}: {}", device, problem);
}

std::string describe_device() {
  const GpuFacts facts = ask_driver();
  if (!has_driver(facts)) return "none (no NVIDIA driver): the CPU computes";
  if (const std::string problem = problem_with(facts, 0); !problem.empty()) {
    fail(ExitCode::kConfig, "{}", problem);
  }
  return describe_gpu(facts, 0);
}

bool has_fast_bfloat16() { return may_use(InstructionSet::avx512_bf16); }

uint64_t memory_available(const std::string& device) {
  if (device == "cpu") return static_cast<uint64_t>(available_memory().value_or(0));
  const GpuFacts facts = ask_driver();
  const size_t index = index_of(device);
  return index < facts.cards.size() ? facts.cards[index].free_bytes : 0;
}

}  // namespace thoughtrank
