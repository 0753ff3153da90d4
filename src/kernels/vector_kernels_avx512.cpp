#include "kernels/vector_kernels.h"

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")

namespace thoughtrank {
namespace {
#include "kernels/floats.inl"
#include "kernels/vector_kernels.inl"
}  // namespace

const VectorKernels& avx512_kernels() {
  static const VectorKernels kernels{
      .f32 = typed_kernels<float>({tile_f32<1>,
                                   tile_f32<2>,
                                   tile_f32<3>,
                                   tile_f32<4>,
                                   tile_f32<5>,
                                   tile_f32<6>,
                                   tile_f32<7>,
                                   tile_f32<8>,
                                   tile_f32<9>,
                                   tile_f32<10>,
                                   tile_f32<11>,
                                   tile_f32<12>,
                                   tile_f32<13>}),
      .bf16 = typed_kernels<Bf16>({tile_bf16<1>,
                                   tile_bf16<2>,
                                   tile_bf16<3>,
                                   tile_bf16<4>,
                                   tile_bf16<5>,
                                   tile_bf16<6>,
                                   tile_bf16<7>,
                                   tile_bf16<8>,
                                   tile_bf16<9>,
                                   tile_bf16<10>,
                                   tile_bf16<11>,
                                   tile_bf16<12>,
                                   tile_bf16<13>}),
      .scale = scale,
      .summarize = summarize,
  };
  return kernels;
}

}  // namespace thoughtrank
