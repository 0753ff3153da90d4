#include "kernels/vector/vector_kernels.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")

namespace thoughtrank {
namespace {
#include "kernels/vector/floats.inl"
#include "kernels/vector/vector_kernels.inl"
}  // namespace

const VectorKernels& avx512_kernels() {
  static const VectorKernels kernels = kernels_for(std::make_integer_sequence<int, kVectorRows>());
  return kernels;
}

}  // namespace thoughtrank
