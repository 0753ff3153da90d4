#include "thoughtrank/core/memory.h"
#include "thoughtrank/model/compute.h"

namespace thoughtrank {

std::vector<int> cuda_architectures() { return {}; }

std::optional<int64_t> free_device_memory(at::Device /*device*/) { return available_memory(); }

std::optional<int64_t> peak_device_bytes(at::Device /*device*/) { return std::nullopt; }

void wait_for_device(at::Device /*device*/) {}

}  // namespace thoughtrank
