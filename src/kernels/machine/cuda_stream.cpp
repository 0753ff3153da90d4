#include "kernels/machine/cuda_stream.h"

#include <c10/cuda/CUDAStream.h>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

cuda::Stream cuda::current_stream(int device) {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream();
}

void cuda::fail_launch(const char* operation, const char* problem) {
  fail(ExitCode::kDevice,
       "the kernel of {} could not be launched: {}. Does the driver fit (580 or newer), and is the "
       "card of compute capability 8.0 or newer?",
       operation,
       problem);
}

}  // namespace thoughtrank
