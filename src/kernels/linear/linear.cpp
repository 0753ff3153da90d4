#include "thoughtrank/kernels/linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "thoughtrank/kernels/training_ops.h"

namespace thoughtrank {
namespace {

int64_t block_rows(const at::Tensor& weight) {
  return std::max<int64_t>(1, kLinearBlock / weight.size(1));
}

// One tensor over all of them where each begins where the one before ends; undefined elsewhere.
at::Tensor view_as_one(const std::vector<at::Tensor>& tensors) {
  const at::Tensor& first = tensors.front();
  const char* end = static_cast<const char*>(first.const_data_ptr());
  int64_t rows = 0;
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.is_contiguous() || tensor.const_data_ptr() != end || !tensor.is_alias_of(first)) {
      return {};
    }
    end += tensor.nbytes();
    rows += tensor.size(0);
  }
  return first.as_strided({rows, first.size(1)}, {first.size(1), 1});
}

// Calls body(first row, rows) with the rows of `weight` in the products' type: all at once where
// that is its own, else widened a block at a time.
template <class Body>
void for_each_block(const at::Tensor& weight, at::ScalarType dtype, const Body& body) {
  if (weight.scalar_type() == dtype) return body(0, weight);
  for (int64_t from = 0; from < weight.size(0); from += block_rows(weight)) {
    const int64_t n = std::min(block_rows(weight), weight.size(0) - from);
    body(from, weight.narrow(/*dim=*/0, from, n).to(dtype));
  }
}

}  // namespace

at::Tensor stack_weights(const std::vector<at::Tensor>& weights) {
  const at::Tensor view = view_as_one(weights);
  return view.defined() ? view : at::cat(weights);
}

at::Tensor apply_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& residual) {
  at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  for_each_block(weight, x.scalar_type(), [&](int64_t from, const at::Tensor& block) {
    const auto columns = [&](const at::Tensor& t) { return t.narrow(1, from, block.size(0)); };
    at::Tensor part = columns(y);
    if (residual.defined()) {
      at::addmm_out(part, columns(residual), x, block.t());
    } else {
      at::mm_out(part, x, block.t());
    }
  });
  return y;
}

at::Tensor linear_input_gradient(const at::Tensor& d_y, const at::Tensor& weight) {
  at::Tensor d_x = at::empty({d_y.size(0), weight.size(1)}, d_y.options());
  for_each_block(weight, d_y.scalar_type(), [&](int64_t from, const at::Tensor& block) {
    const at::Tensor part = d_y.narrow(/*dim=*/1, from, block.size(0));
    if (from == 0) {
      at::mm_out(d_x, part, block);
    } else {
      d_x.addmm_(part, block);
    }
  });
  return d_x;
}

void add_linear_gradient(const at::Tensor& target, const at::Tensor& d_y, const at::Tensor& x) {
  if (target.scalar_type() == x.scalar_type()) {
    target.addmm_(d_y.t(), x);
    return;
  }
  for (int64_t from = 0; from < target.size(0); from += block_rows(target)) {
    const int64_t n = std::min(block_rows(target), target.size(0) - from);
    add_in_place(target.narrow(/*dim=*/0, from, n), at::mm(d_y.narrow(/*dim=*/1, from, n).t(), x));
  }
}

void add_linear_weight_gradient(const at::Tensor& d_y,
                                const at::Tensor& x,
                                const std::vector<at::Tensor>& weights) {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& weight : weights) gradients.push_back(weight.grad());
  const at::Tensor whole = view_as_one(gradients);
  if (whole.defined()) return add_linear_gradient(whole, d_y, x);
  int64_t from = 0;
  for (const at::Tensor& gradient : gradients) {
    add_linear_gradient(gradient, d_y.narrow(/*dim=*/1, from, gradient.size(0)), x);
    from += gradient.size(0);
  }
}

}  // namespace thoughtrank
