#include "kernels/adamw_cuda.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank::adamw {

void update_on_cuda(const AdamWArena& arena, const Factors& /*factors*/) {
  fail(ExitCode::kDevice,
       "the weights are on {}, but this build has no CUDA kernels: install nvcc 13 (the CUDA "
       "toolkit or its wheels) and build again, or train with device: cpu",
       arena.weights.device().str());
}

}  // namespace thoughtrank::adamw
