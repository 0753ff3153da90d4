// The CUDA side of AdamW: adamw.cu, or adamw_without_cuda.cpp in builds without nvcc. No tensors
// here: CUDA sources stay free of ATen.
#pragma once

#include "kernels/adamw_element.h"
#include "kernels/cuda_stream.h"

namespace thoughtrank::adamw {

// One update of an arena. Weight, Moment: float, or uint16_t for the bits of bfloat16.
template <class Weight, class Moment>
struct FlatUpdate {
  Weight* weights;
  const Weight* gradients;
  Moment* first_moment;
  Moment* second_moment;
  int64_t elements;
  Factors factors;
};

// Enqueues the update. Error(kDevice) where the kernel cannot be launched.
template <class Weight, class Moment>
void update_on_cuda(const FlatUpdate<Weight, Moment>& update, cuda::Stream stream);

}  // namespace thoughtrank::adamw
