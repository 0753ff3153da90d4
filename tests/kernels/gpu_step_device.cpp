#include <c10/cuda/CUDAFunctions.h>
#include <gtest/gtest.h>

#include "kernels/decode_scene.h"

namespace thoughtrank {
namespace {

// Skips the whole program where there is no GPU.
class NeedsGpu : public testing::Environment {
 public:
  void SetUp() override {
    if (c10::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device on this machine";
  }
};
const testing::Environment* const kNeedsGpu = testing::AddGlobalTestEnvironment(new NeedsGpu);

}  // namespace

at::Device step_device() { return {at::kCUDA, 0}; }

}  // namespace thoughtrank
