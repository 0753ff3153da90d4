// The operations of a decoding step run here, on tensors of the CPU, in programs that link this
// file: it stands in for src/kernels/decode_step/enqueue.cpp.
#include "kernels/decode_step/enqueue.h"

namespace thoughtrank {

void decode_step::enqueue(c10::Device /*device*/, const Operation& operation) {
  run_on_cuda(operation, /*stream=*/nullptr);
}

}  // namespace thoughtrank
