#include "thoughtrank/kernels/row_ops.h"

#include "kernels/vector_kernels.h"

namespace thoughtrank {
namespace {

template <class T>
void norm_rows(Team& team,
               const at::Tensor& x,
               const at::Tensor& delta,
               const at::Tensor& weight,
               float eps,
               const at::Tensor& out) {
  const int64_t C = x.size(1);
  float* rows = x.mutable_data_ptr<float>();
  const float* added = delta.defined() ? delta.const_data_ptr<float>() : nullptr;
  const float* scales = weight.const_data_ptr<float>();
  T* to = static_cast<T*>(out.mutable_data_ptr());
  team.for_each(x.size(0), [&](int64_t m) {
    const float* row_delta = added ? added + m * C : nullptr;
    vector_kernels().rows<T>().rms_norm(
        rows + m * C, row_delta, scales, eps, to + m * out.stride(0), C);
  });
}

}  // namespace

void add_rms_norm(Team& team,
                  const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out) {
  if (out.scalar_type() == at::kFloat) {
    norm_rows<float>(team, x, delta, weight, static_cast<float>(eps), out);
  } else {
    norm_rows<Bf16>(team, x, delta, weight, static_cast<float>(eps), out);
  }
}

}  // namespace thoughtrank
