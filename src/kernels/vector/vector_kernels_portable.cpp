#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {
namespace {
#include "kernels/vector/floats.inl"
#include "kernels/vector/vector_kernels.inl"
}  // namespace

const VectorKernels& portable_kernels() {
  static const VectorKernels kernels = kernels_for(std::make_integer_sequence<int, 4>());
  return kernels;
}

}  // namespace thoughtrank
