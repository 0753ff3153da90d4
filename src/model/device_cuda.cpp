#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include "thoughtrank/core/memory.h"
#include "thoughtrank/model/compute.h"

namespace thoughtrank {

std::vector<int> cuda_architectures() { return {CUDA_ARCHITECTURES}; }

std::optional<int64_t> free_device_memory(at::Device device) {
  if (device.is_cpu()) return available_memory();
  const c10::cuda::CUDAGuard guard(device);
  size_t free = 0, all = 0;
  C10_CUDA_CHECK(::cudaMemGetInfo(&free, &all));
  return static_cast<int64_t>(free);
}

std::optional<int64_t> peak_device_bytes(at::Device device) {
  if (device.is_cpu()) return std::nullopt;
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  return stats.reserved_bytes[0].peak;  // 0: of all pools together
}

void wait_for_device(at::Device device) {
  if (device.is_cpu()) return;
  const c10::cuda::CUDAGuard guard(device);
  C10_CUDA_CHECK(::cudaDeviceSynchronize());
}

}  // namespace thoughtrank
