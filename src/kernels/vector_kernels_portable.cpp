#include "kernels/vector_kernels.h"

namespace thoughtrank {
namespace {
#include "kernels/floats.inl"
#include "kernels/vector_kernels.inl"
}  // namespace

const VectorKernels& portable_kernels() {
  static const VectorKernels kernels = kernels_for(std::make_integer_sequence<int, 4>());
  return kernels;
}

}  // namespace thoughtrank
