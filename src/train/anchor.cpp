#include "thoughtrank/train/anchor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "thoughtrank/core/random.h"
#include "thoughtrank/kernels/rounding.h"

namespace thoughtrank {
namespace {

// Elements that share a random stream, so that threads change nothing.
constexpr int64_t kBlock = 1 << 16;

// `mean` is contiguous float32 on the CPU; the bfloat16 is up with the probability of the part that
// is cut off.
at::Tensor rounded_to_bfloat16(const at::Tensor& mean, const AnchorSetup& setup, uint64_t tensor) {
  at::Tensor rounded = at::empty(mean.sizes(), mean.options().dtype(at::kBFloat16));
  const float* from = mean.const_data_ptr<float>();
  auto* to = static_cast<uint16_t*>(rounded.data_ptr());
  const int64_t elements = mean.numel(), blocks = (elements + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, /*grain_size=*/1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      RandomStream random(
          setup.seed,
          "rounding of anchored weights",
          {static_cast<uint64_t>(setup.round), tensor, static_cast<uint64_t>(block)});
      const int64_t end = std::min(elements, (block + 1) * kBlock);
      for (int64_t n = block * kBlock; n < end; ++n) {
        to[n] = round_stochastically(from[n], static_cast<uint16_t>(random.next_u32() >> 16));
      }
    }
  });
  return rounded;
}

}  // namespace

void average_with_start(Llama& model,
                        const std::filesystem::path& start,
                        const AnchorSetup& setup) {
  const at::NoGradGuard no_grad;
  const auto trained = model.named_parameters();
  const at::ScalarType dtype = model.embed_tokens.scalar_type();
  const auto begun = load_llama(start, dtype, at::Device(at::kCPU)).named_parameters();
  for (size_t n = 0; n < trained.size(); ++n) {
    const at::Tensor& weight = trained[n].second;
    const at::Tensor mean =
        at::lerp(weight.to(at::kCPU, at::kFloat), begun.at(n).second.to(at::kFloat), setup.ema)
            .contiguous();
    weight.copy_(dtype == at::kBFloat16 ? rounded_to_bfloat16(mean, setup, n) : mean);
  }
}

}  // namespace thoughtrank
