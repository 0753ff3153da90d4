#include "kernels/machine/cuda_stream.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {

cuda::Stream cuda::current_stream(int device) {
  fail(ExitCode::kDevice,
       "tensors are on cuda:{}, but this build has no CUDA kernels: install nvcc 13 (the CUDA "
       "toolkit or its wheels) and build again, or set device: cpu",
       device);
}

}  // namespace thoughtrank
