// Reproducible random tensors for tests.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <vector>

namespace thoughtrank {

// Standard normal, float32, the same for the same seed.
inline at::Tensor random_tensor(const std::vector<int64_t>& sizes, uint64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed), at::kFloat);
}

}  // namespace thoughtrank
