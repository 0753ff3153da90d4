// Packed weights in memory of their own.
#pragma once

#include <vector>

#include "thoughtrank/kernels/packed_linear.h"

namespace thoughtrank {

inline PackedLinear packed(const std::vector<at::Tensor>& weights) {
  HugePageArena memory;
  return {weights, memory};
}

}  // namespace thoughtrank
