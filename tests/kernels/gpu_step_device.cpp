#include <c10/cuda/CUDAFunctions.h>
#include <gtest/gtest.h>

#include "kernels/decode_scene.h"

namespace thoughtrank {
namespace {

// Skips every test of the program where there is no GPU; an Environment would let them pass.
class SkipsWithoutGpu : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& /*test*/) override {
    if (c10::cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device on this machine";
  }
};

const bool kListens = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SkipsWithoutGpu);
  return true;
}();

}  // namespace

at::Device step_device() { return {at::kCUDA, 0}; }

}  // namespace thoughtrank
