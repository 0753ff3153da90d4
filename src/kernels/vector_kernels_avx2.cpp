#include "kernels/vector_kernels.h"

#pragma GCC target("avx2,fma")

namespace thoughtrank {
namespace {
#include "kernels/floats.inl"
#include "kernels/vector_kernels.inl"
}  // namespace

const VectorKernels& avx2_kernels() {
  static const VectorKernels kernels{
      .f32 = typed_kernels<float>({tile_f32<1>, tile_f32<2>, tile_f32<3>}),
      .bf16 = typed_kernels<Bf16>({tile_bf16<1>, tile_bf16<2>, tile_bf16<3>}),
      .scale = scale,
      .summarize = summarize,
  };
  return kernels;
}

}  // namespace thoughtrank
