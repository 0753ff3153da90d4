#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {

const VectorKernels& vector_kernels(InstructionSet set) {
  switch (set) {
    case InstructionSet::emulated_amx:
      return emulated_amx_kernels();
    case InstructionSet::amx:
      return amx_kernels();
    case InstructionSet::avx512_bf16:
      return avx512_bf16_kernels();
    case InstructionSet::avx512:
      return avx512_kernels();
    case InstructionSet::avx2:
      return avx2_kernels();
    case InstructionSet::portable:
      break;
  }
  return portable_kernels();
}

}  // namespace thoughtrank
