// What the CUDA side needs of libtorch and of our errors, without their headers, which nvcc shall
// not see. cuda_stream.cpp, or cuda_stream_without_cuda.cpp in builds without nvcc.
#pragma once

struct CUstream_st;

namespace thoughtrank::cuda {

using Stream = CUstream_st*;

// libtorch's current stream of a device. Error(kDevice) in builds without CUDA sources.
[[nodiscard]] Stream current_stream(int device);

// Error(kDevice): the kernel of an operation could not be launched.
[[noreturn]] void fail_launch(const char* operation, const char* problem);

}  // namespace thoughtrank::cuda
