// Where the operations of a decoding step run: on CUDA, and nowhere else. The CPU's form of a step
// is libtorch's (src/decode/step_kernels.cpp).
#pragma once

#include <c10/core/Device.h>

#include "kernels/decode_step/decode_step_operations.h"

namespace thoughtrank::decode_step {

// Enqueues the operation on the current stream of `device`. Throws Error(kInternal) where that is
// no CUDA device, and Error(kDevice) in builds without nvcc. Programs of the tests that run the
// CUDA sources on the host link an enqueue() of their own (tests/kernels/emulated_cuda).
void enqueue(c10::Device device, const Operation& operation);

}  // namespace thoughtrank::decode_step
