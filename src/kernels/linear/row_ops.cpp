#include "thoughtrank/kernels/row_ops.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {
namespace {

template <class T>
void norm_rows(ThreadPool& pool,
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
  pool.for_each(x.size(0), [&](int64_t m) {
    const float* row_delta = added ? added + m * C : nullptr;
    vector_kernels().rows<T>().rms_norm(
        rows + m * C, row_delta, scales, eps, to + m * out.stride(0), C);
  });
}

template <class T>
void widen_each(const at::Tensor& rows, const std::vector<int64_t>& places, float* out) {
  const T* from = static_cast<const T*>(rows.const_data_ptr());
  for (const int64_t place : places) {
    const T* row = from + place * rows.stride(0);
    out = std::transform(row, row + rows.size(1), out, [](T x) { return widened(x); });
  }
}

}  // namespace

void add_rms_norm(ThreadPool& pool,
                  const at::Tensor& x,
                  const at::Tensor& delta,
                  const at::Tensor& weight,
                  double eps,
                  const at::Tensor& out) {
  if (out.scalar_type() == at::kFloat) {
    norm_rows<float>(pool, x, delta, weight, static_cast<float>(eps), out);
  } else {
    norm_rows<Bf16>(pool, x, delta, weight, static_cast<float>(eps), out);
  }
}

void widen_rows(const at::Tensor& rows, const std::vector<int64_t>& places, const at::Tensor& out) {
  if (rows.scalar_type() == at::kFloat) {
    widen_each<float>(rows, places, out.mutable_data_ptr<float>());
  } else {
    widen_each<Bf16>(rows, places, out.mutable_data_ptr<float>());
  }
}

at::Tensor copy_rows(const at::Tensor& rows, const std::vector<int64_t>& places) {
  at::Tensor out = at::empty({std::ssize(places), rows.size(1)}, rows.options());
  const int64_t element = rows.element_size(), bytes = rows.size(1) * element;
  const char* from = static_cast<const char*>(rows.const_data_ptr());
  char* to = static_cast<char*>(out.mutable_data_ptr());
  for (const int64_t place : places) {
    to = std::copy_n(from + place * rows.stride(0) * element, bytes, to);
  }
  return out;
}

}  // namespace thoughtrank
