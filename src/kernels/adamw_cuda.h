// The CUDA side of AdamW: adamw.cu, or adamw_without_cuda.cpp in builds without nvcc.
#pragma once

#include "kernels/adamw_element.h"
#include "thoughtrank/kernels/adamw.h"

namespace thoughtrank::adamw {

// Updates an arena on a CUDA device, on the current stream. Error(kDevice) in builds without CUDA
// sources.
void update_on_cuda(const AdamWArena& arena, const Factors& factors);

}  // namespace thoughtrank::adamw
