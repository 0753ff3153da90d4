#include "thoughtrank/kernels/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

// Where the gradients of a pass go; undefined where nobody asks for them.
struct Gradients {
  at::Tensor hidden;   // (N, C)
  at::Tensor lm_head;  // (V, C) float32: chunks are summed without rounding in between
};

// ∂ Σ w·ce / ∂ logits = w · (softmax − one-hot), written over the logits. (n, V)
at::Tensor logit_gradients(at::Tensor logits, const CrossEntropyRows& chunk) {
  at::Tensor gradients = at::softmax(logits, /*dim=*/1);  // (n, V)
  const at::Tensor targets = chunk.targets.unsqueeze(1);  // (n, 1)
  gradients.scatter_add_(1, targets, at::full_like(targets, -1, at::kFloat));
  return gradients.mul_(chunk.weights.unsqueeze(1)).to(chunk.hidden.scalar_type());
}

// The loss of rows [from, from + n) and their share of the gradients.
at::Tensor run_chunk(const CrossEntropyRows& rows, int64_t from, int64_t n, Gradients& gradients) {
  const CrossEntropyRows chunk = {.hidden = rows.hidden.narrow(0, from, n),
                                  .lm_head = rows.lm_head,
                                  .targets = rows.targets.narrow(0, from, n),
                                  .weights = rows.weights.narrow(0, from, n)};
  const at::Tensor logits = at::linear(chunk.hidden, chunk.lm_head).to(at::kFloat);   // (n, V)
  const at::Tensor chosen = logits.gather(1, chunk.targets.unsqueeze(1)).squeeze(1);  // (n)
  const at::Tensor losses = at::logsumexp(logits, /*dim=*/1) - chosen;                // (n)
  if (gradients.hidden.defined() || gradients.lm_head.defined()) {
    const at::Tensor d_logits = logit_gradients(logits, chunk);  // (n, V)
    if (gradients.hidden.defined()) {
      gradients.hidden.narrow(0, from, n).copy_(at::matmul(d_logits, chunk.lm_head));
    }
    if (gradients.lm_head.defined()) {
      gradients.lm_head.add_(at::matmul(d_logits.t(), chunk.hidden));
    }
  }
  return (losses * chunk.weights).sum();
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
    if (lm_head.requires_grad()) {
      gradients.lm_head = at::zeros_like(rows.lm_head, rows.lm_head.options().dtype(at::kFloat));
    }
    at::Tensor loss = at::zeros({}, rows.hidden.options().dtype(at::kFloat));
    for (int64_t from = 0; from < rows.hidden.size(0); from += chunk_rows) {
      const int64_t n = std::min(chunk_rows, rows.hidden.size(0) - from);
      loss.add_(run_chunk(rows, from, n, gradients));
    }
    context->saved_data["hidden"] = gradients.hidden;
    context->saved_data["lm_head"] = gradients.lm_head;
    context->saved_data["dtype"] = rows.hidden.scalar_type();
    return loss;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto dtype = context->saved_data["dtype"].toScalarType();
    const auto scaled = [&](const char* name) {
      const at::Tensor gradient = context->saved_data[name].toTensor();
      return gradient.defined() ? gradient.mul_(outputs[0]).to(dtype) : at::Tensor();
    };
    torch::autograd::variable_list gradients = {
        scaled("hidden"), scaled("lm_head"), at::Tensor(), at::Tensor()};
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

at::Tensor linear_cross_entropy(const CrossEntropyRows& rows, int64_t chunk_rows) {
  require_fit(rows);
  return LinearCrossEntropy::apply(rows.hidden, rows.lm_head, rows, chunk_rows);
}

}  // namespace thoughtrank
