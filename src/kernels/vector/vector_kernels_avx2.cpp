#include "kernels/vector/vector_kernels.h"

#pragma GCC target("avx2,fma")

namespace thoughtrank {
namespace {
#include "kernels/vector/floats.inl"
#include "kernels/vector/vector_kernels.inl"
}  // namespace

const VectorKernels& avx2_kernels() {
  static const VectorKernels kernels = kernels_for(std::make_integer_sequence<int, 3>());
  return kernels;
}

}  // namespace thoughtrank
