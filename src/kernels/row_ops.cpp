#include "thoughtrank/kernels/row_ops.h"

#include <ATen/Parallel.h>

#include "kernels/vector_kernels.h"

namespace thoughtrank {
namespace {

constexpr int64_t kRowsPerTask = 4;

template <class T>
void norm_rows(const at::Tensor& x,
               const at::Tensor& delta,
               const at::Tensor& weight,
               float eps,
               const at::Tensor& out) {
  const int64_t C = x.size(1);
  float* rows = x.mutable_data_ptr<float>();
  const float* added = delta.defined() ? delta.const_data_ptr<float>() : nullptr;
  const float* scales = weight.const_data_ptr<float>();
  T* to = static_cast<T*>(out.mutable_data_ptr());
  at::parallel_for(0, x.size(0), kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const float* row_delta = added ? added + m * C : nullptr;
      vector_kernels().typed<T>().rms_norm(rows + m * C, row_delta, scales, eps, to + m * C, C);
    }
  });
}

template <class T>
void silu_rows(const at::Tensor& gate_up, const at::Tensor& out) {
  const int64_t F = out.size(1);
  const float* from = gate_up.const_data_ptr<float>();
  T* to = static_cast<T*>(out.mutable_data_ptr());
  at::parallel_for(0, out.size(0), kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const float* gate = from + m * 2 * F;
      vector_kernels().typed<T>().silu_mul(gate, gate + F, to + m * F, F);
    }
  });
}

}  // namespace

void add_rms_norm(const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out) {
  if (out.scalar_type() == at::kFloat) {
    norm_rows<float>(x, delta, weight, static_cast<float>(eps), out);
  } else {
    norm_rows<Bf16>(x, delta, weight, static_cast<float>(eps), out);
  }
}

void silu_mul(const at::Tensor& gate_up, const at::Tensor& out) {
  if (out.scalar_type() == at::kFloat) {
    silu_rows<float>(gate_up, out);
  } else {
    silu_rows<Bf16>(gate_up, out);
  }
}

}  // namespace thoughtrank
