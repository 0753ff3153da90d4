// The operations of a step as kernels of our own, which run on CUDA only, each of which can be
// replaced by plain tensor operations of libtorch that do the same work: what a kernel is tested
// and measured against (`bench decode --without`). On a GPU the plain ones allocate, so that they
// run in a recorded step, too, but not without memory of their own.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "thoughtrank/kernels/decode_step.h"

namespace thoughtrank {

class StepKernels {
 public:
  // `without`: names of decode/decoder.h's step_kernel_names(). Error(kUsage) for others.
  explicit StepKernels(const std::vector<std::string>& without = {});

  // As the functions of kernels/decode_step.h of these names.
  void add_rms_norm(const at::Tensor& x,
                    const at::Tensor& delta,
                    const at::Tensor& weight,
                    double eps,
                    const at::Tensor& out) const;
  void silu_mul(const at::Tensor& gate_up, const at::Tensor& out) const;
  void rotate_and_store(const LayerRows& rows,
                        const RowPlaces& places,
                        const at::Tensor& cos,
                        const at::Tensor& sin) const;
  // Attention over prefix and suffix.
  void attend(const LayerRows& rows,
              const SlotTable& slots,
              const PrefixPart& prefix,
              const at::Tensor& out) const;
  void choose(const at::Tensor& logits, const SlotChoices& choices) const;

 private:
  enum Kernel { kRmsNorm, kSiluMul, kRotateAndStore, kAttention, kChooseTokens, kKernels };
  std::array<bool, kKernels> is_plain_{};
};

}  // namespace thoughtrank
