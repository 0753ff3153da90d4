// One update of an arena by raw pointers, and its CUDA side: adamw.cu, or adamw_without_cuda.cpp in
// builds without nvcc. No tensors here: CUDA sources stay free of ATen.
#pragma once

#include "kernels/adamw/adamw_element.h"
#include "kernels/machine/cuda_stream.h"

namespace thoughtrank::adamw {

// Weight, Moment: float, or uint16_t for the bits of bfloat16.
template <class Weight, class Moment>
struct FlatUpdate {
  Weight* weights;
  const Weight* gradients;
  Moment* first_moment;
  Moment* second_moment;
  int64_t elements;
  Factors factors;
};

// bfloat16 weights are their float32 master to nearest.
struct MasterUpdate {
  uint16_t* weights;
  const uint16_t* gradients;
  float* master;
  float* first_moment;
  float* second_moment;
  int64_t elements;
  Factors factors;
};

// Moments are shares (small_float.h) of a scale for each kElementsPerScale.
template <class Weight>
struct ByteUpdate {
  Weight* weights;
  const Weight* gradients;
  uint8_t* first_moment;
  uint8_t* second_moment;
  float* first_scale;
  float* second_scale;
  int64_t elements;
  Factors factors;
};

// Enqueues the update. Error(kDevice) where the kernel cannot be launched.
template <class Weight, class Moment>
void update_on_cuda(const FlatUpdate<Weight, Moment>& update, cuda::Stream stream);
template <class Weight>
void update_on_cuda(const ByteUpdate<Weight>& update, cuda::Stream stream);
void update_on_cuda(const MasterUpdate& update, cuda::Stream stream);

}  // namespace thoughtrank::adamw
