// The device that tensors live on: its memory, and waiting for it. device_cuda.cpp, or
// device_without_cuda.cpp in builds without CUDA, where everything lives on the CPU.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace thoughtrank {

// Compute capabilities times ten that this build has kernels for; empty: built without CUDA.
[[nodiscard]] std::vector<int> cuda_architectures();

// Bytes that the device has free; nullopt: not known.
[[nodiscard]] std::optional<int64_t> free_device_memory(at::Device device);

// The most bytes that libtorch's allocator held on a GPU at once since the process began (what the
// driver and the kernels' code take comes on top); nullopt for the CPU.
[[nodiscard]] std::optional<int64_t> peak_device_bytes(at::Device device);

// Returns when the device has done all that was enqueued.
void wait_for_device(at::Device device);

}  // namespace thoughtrank
