#include "kernels/decode_step/enqueue.h"

#include <c10/core/DeviceGuard.h>

#include "kernels/machine/cuda_stream.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {

void decode_step::enqueue(c10::Device device, const Operation& operation) {
  if (!device.is_cuda()) {
    fail(ExitCode::kInternal,
         "the operations of a decoding step run on CUDA, found tensors on {}",
         device.str());
  }
  const c10::DeviceGuard guard(device);
  run_on_cuda(operation, cuda::current_stream(device.index()));
}

}  // namespace thoughtrank
