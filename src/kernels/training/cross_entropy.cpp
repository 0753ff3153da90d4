#include "thoughtrank/kernels/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/linear.h"
#include "thoughtrank/kernels/training_ops.h"

namespace thoughtrank {
namespace {

// Where the gradients of a pass go; undefined where nobody asks for them.
struct Gradients {
  at::Tensor hidden;   // (N, C)
  at::Tensor lm_head;  // (V, C)
};

// The loss of rows [from, from + n) and their share of the gradients.
at::Tensor run_chunk(const CrossEntropyRows& rows, int64_t from, int64_t n, Gradients& gradients) {
  const auto part = [&](const at::Tensor& t) { return t.narrow(/*dim=*/0, from, n); };
  const at::Tensor hidden = part(rows.hidden);
  const bool wants_gradient = gradients.hidden.defined() || gradients.lm_head.defined();
  const at::Tensor logits = apply_linear(hidden, rows.lm_head);  // (n, V), then their gradient
  const at::Tensor losses =
      cross_entropy_rows(logits, part(rows.targets), part(rows.weights), wants_gradient);
  if (gradients.hidden.defined()) {
    part(gradients.hidden).copy_(linear_input_gradient(logits, rows.lm_head));
  }
  if (gradients.lm_head.defined()) add_linear_gradient(gradients.lm_head, logits, hidden);
  return losses.sum();
}

class LinearCrossEntropy : public torch::autograd::Function<LinearCrossEntropy> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const at::Tensor& hidden,
                            const at::Tensor& lm_head,
                            const CrossEntropyRows& rows,
                            int64_t chunk_rows) {
    Gradients gradients;
    if (hidden.requires_grad()) gradients.hidden = at::empty_like(rows.hidden);
    gradients.lm_head = rows.lm_head_gradient;
    const bool has_place = rows.lm_head_gradient.defined();
    if (lm_head.requires_grad() && !has_place) {
      gradients.lm_head = at::zeros_like(rows.lm_head, rows.lm_head.options().dtype(at::kFloat));
    }
    at::Tensor loss = at::zeros({}, rows.hidden.options().dtype(at::kFloat));
    const int64_t chunk = loss_chunk_rows(rows.hidden.size(0), chunk_rows);
    for (int64_t from = 0; from < rows.hidden.size(0); from += chunk) {
      const int64_t n = std::min(chunk, rows.hidden.size(0) - from);
      loss.add_(run_chunk(rows, from, n, gradients));
    }
    context->saved_data["hidden"] = gradients.hidden;
    context->saved_data["lm_head"] = has_place ? at::Tensor() : gradients.lm_head;
    context->saved_data["lm_head dtype"] = rows.lm_head.scalar_type();
    return loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto scaled = [&](const char* name) {
      const at::Tensor gradient = context->saved_data[name].toTensor();
      return gradient.defined() ? gradient.mul_(outputs[0]) : gradient;
    };
    const auto dtype = context->saved_data["lm_head dtype"].toScalarType();
    const at::Tensor lm_head = scaled("lm_head");
    torch::autograd::variable_list gradients = {scaled("hidden"),
                                                lm_head.defined() ? lm_head.to(dtype) : lm_head,
                                                at::Tensor(),
                                                at::Tensor()};
    context->saved_data.clear();  // scaled in place: a second backward must fail
    return gradients;
  }
};

void require_fit(const CrossEntropyRows& rows) {
  const int64_t n = rows.hidden.size(0);
  if (rows.hidden.dim() != 2 || rows.lm_head.dim() != 2 ||
      rows.hidden.size(1) != rows.lm_head.size(1) || rows.targets.numel() != n ||
      rows.weights.numel() != n || rows.targets.scalar_type() != at::kLong ||
      rows.weights.scalar_type() != at::kFloat) {
    fail(ExitCode::kInternal,
         "cross-entropy: {} rows of hidden states do not fit {} targets and {} weights",
         n,
         rows.targets.numel(),
         rows.weights.numel());
  }
}

}  // namespace

int64_t default_chunk_rows(int64_t vocab_size) {
  constexpr int64_t kLogits = int64_t{1} << 24;
  return std::max<int64_t>(1, kLogits / vocab_size);
}

int64_t loss_chunk_rows(int64_t rows, int64_t most) {
  const int64_t chunks = std::max<int64_t>(1, (rows + most - 1) / most);
  return std::max<int64_t>(1, (rows + chunks - 1) / chunks);
}

at::Tensor linear_cross_entropy(const CrossEntropyRows& rows, int64_t chunk_rows) {
  require_fit(rows);
  return LinearCrossEntropy::apply(rows.hidden, rows.lm_head, rows, chunk_rows);
}

}  // namespace thoughtrank
