#include "thoughtrank/model/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <charconv>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/gpu.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/memory.h"
#include "thoughtrank/kernels/device.h"

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

}  // namespace

std::string resolve_device(const std::string& asked) {
  if (asked == "cpu") return asked;
  if (asked == "auto") return resolve_automatically();
  const std::string device = asked == "cuda" ? "cuda:0" : asked;
  require_device(device);
  return device;
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

uint64_t memory_available_on(const std::string& device) {
  if (device == "cpu") return static_cast<uint64_t>(available_memory().value_or(0));
  const GpuFacts facts = ask_driver();
  const size_t index = index_of(device);
  return index < facts.cards.size() ? facts.cards[index].free_bytes : 0;
}

}  // namespace thoughtrank
