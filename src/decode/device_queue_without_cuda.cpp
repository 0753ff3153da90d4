#include "decode/device_queue.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
std::unique_ptr<DeviceQueue> open_device_queue(at::Device device, bool /*records_steps*/) {
  if (device.is_cpu()) return std::make_unique<ImmediateQueue>();
  fail(ExitCode::kDevice,
       "decoding on {} was asked for, but this build has no CUDA kernels: install nvcc 13 (the "
       "CUDA toolkit or its wheels) and build again",
       device.str());
}

}  // namespace thoughtrank
